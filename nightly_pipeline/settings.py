"""Settings: a profile file and the environment make one frozen, validated value. The only reader of `os.environ`.

A profile is a YAML file. `local`, `local-real` and `production` are shipped; any path may be given instead. It may
`extends:` another profile, and its `table:` section changes rows of the table of the night (`profiles/night.yaml`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, PlainSerializer, SecretStr, ValidationError, model_validator

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.model.catalog import BaseImage, Catalog, RepositoryPath, Strict
from nightly_pipeline.model.spelling import nearest, unknown
from nightly_pipeline.settings_errors import explain

SHIPPED_PROFILES = ("local", "local-real", "production")
DEFAULT_PROFILE = "local"
PROFILE_VARIABLE = "NIGHTLY_PROFILE"
HOME_VARIABLE = "NIGHTLY_HOME"

_OVERRIDES = {
    "NIGHTLY_SOURCE_REPOSITORY": ("source", "repository"),
    "NIGHTLY_SOURCE_REF": ("source", "ref"),
    "NIGHTLY_GO_LIVE": ("go_live",),
    "NIGHTLY_CA_BUNDLE": ("build", "ca_bundle"),
    "NIGHTLY_SLACK_CHANNEL": ("slack", "channel"),
    "NIGHTLY_SLACK_BASE_URL": ("slack", "base_url"),
    "SLACK_BOT_TOKEN": ("slack", "token"),
    "SLACK_WEBHOOK_URL": ("slack", "webhook"),
}
"""Environment variable -> the field of the profile it takes the place of. Secrets come this way only."""

_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)

Secret = Annotated[SecretStr, PlainSerializer(str)]


class RegistrySettings(Strict):
    """One registry, named in the profile by its role.

    Attributes:
        kind: `oci` is any registry by the distribution protocol; `ecr` and `acr` add their own logins.
        images: which kinds of image belong in it.
        insecure: plain HTTP.
        region, account: for ECR; the host is derived from them when it is not given.
    """

    kind: Literal["oci", "ecr", "acr"] = "oci"
    host: str
    repository: str = "nightly"
    cache_repository: str | None = None
    images: tuple[Literal["framework", "runtime"], ...] = ("runtime",)
    insecure: bool = False
    region: str | None = None
    account: str | None = None
    console_url: str | None = None


class SourceSettings(Strict):
    """The git repository under test. A relative path is relative to the project."""

    repository: str = "."
    ref: str = "HEAD"


class MockEngineSettings(Strict):
    """The stand-in for the inference engine: its requirement, as a path in the build context, and its version."""

    requirement: str = "./mock_engine"
    version: str


class BuildSettings(Strict):
    """How images are built.

    Attributes:
        provenance: BuildKit's provenance attestation.
        ca_bundle: certificates the package downloads inside builds trust; a BuildKit secret, never in the image.
        compression: of pushed layers; zstd at level 1 exports large images about three times as fast as gzip.
    """

    provenance: Literal["max", "min", "none"] = "max"
    compression: Literal["gzip", "zstd"] = "zstd"
    compression_level: int = Field(default=1, ge=0, le=22)
    cache: bool = True
    builder: str | None = None
    ca_bundle: Path | None = None


class TestSettings(Strict):
    """What every test container gets. `model` is what the suite serves with a real engine."""

    __test__ = False

    model: str = "hf-internal-testing/tiny-random-LlamaForCausalLM"
    memory_gb: float | None = Field(default=None, gt=0)
    pids_limit: int = Field(default=4096, gt=0)
    network: bool = True


class SlackSettings(Strict):
    """Where the message goes. Without a token or a webhook nothing is sent."""

    channel: str | None = None
    base_url: str | None = None
    token: Secret | None = None
    webhook: Secret | None = None

    @model_validator(mode="after")
    def _a_token_needs_a_channel(self) -> Self:
        if self.token is not None and self.channel is None:
            msg = "channel is needed where a token is set (NIGHTLY_SLACK_CHANNEL)"
            raise ValueError(msg)
        return self


class Settings(Strict):
    """Everything a night needs to know, validated.

    Attributes:
        profile: the name or path it was read from.
        root: the project's root: where workspace.yaml and dagster.yaml are.
        home: where state lives (artifacts, sources, Dagster's storage).
        primary: role of the registry builds push to; the others get copies.
        environment: values of the variables stages may pass on (`pass_environment`), secrets.
        max_concurrent_steps: how many steps run side by side in one run.
    """

    profile: str
    root: Path
    home: Path
    table: Catalog
    engine: Literal["mock", "real"]
    mock_engine: MockEngineSettings
    base: BaseImage | None = None
    registries: dict[str, RegistrySettings] = Field(min_length=1)
    primary: str
    source: SourceSettings = SourceSettings()
    go_live: date
    artifacts_days: int = Field(default=7, gt=0)
    max_concurrent_steps: int = Field(default=8, gt=0)
    dagster_url: str = "http://127.0.0.1:3000"
    build: BuildSettings = BuildSettings()
    tests: TestSettings = TestSettings()
    slack: SlackSettings = SlackSettings()
    environment: dict[str, Secret] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _primary_exists(self) -> Self:
        if self.primary not in self.registries:
            raise ValueError(f"primary: {unknown('registry', self.primary, self.registries)}")
        return self

    @property
    def artifacts_root(self) -> Path:
        """Folder of the local artifact store."""
        return self.home / "artifacts"

    @property
    def sources_root(self) -> Path:
        """Folder the revisions under test are exported to."""
        return self.home / "sources"


def load_settings(
    profile: str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    root: Path | None = None,
) -> Settings:
    """Read a profile.

    Args:
        profile: a shipped name or a path; None is NIGHTLY_PROFILE, or `local`.
        environment: the environment variables; None is this process's.
        root: the project's root; None finds it from the working folder upwards.

    Raises:
        SettingsError: no such profile, malformed YAML, or a field that does not validate; it names the field, what
            is allowed and the nearest valid spelling.
    """
    environment = os.environ if environment is None else environment
    name = profile or environment.get(PROFILE_VARIABLE) or DEFAULT_PROFILE
    root = root or project_root(environment)
    document = _read_profile(name, seen=())
    _apply_environment(document, environment)
    document["table"] = _merge(_parse(_shipped("night").read_text(), "night.yaml"), document.get("table") or {})
    document |= {"profile": name, "root": root, "home": state_home(root, environment)}
    document.setdefault("build", {}).setdefault("ca_bundle", _ca_bundle(environment))
    settings = _validate(document, name)
    return settings.model_copy(update={"environment": _passed_on(settings.table, environment)})


def project_root(environment: Mapping[str, str] | None = None) -> Path:
    """The nearest folder, from the working folder upwards, that has a dagster.yaml; else DAGSTER_HOME; else here."""
    environment = os.environ if environment is None else environment
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dagster.yaml").is_file() and (folder / "workspace.yaml").is_file():
            return folder
    return Path(environment.get("DAGSTER_HOME") or here)


def state_home(root: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Where state lives: NIGHTLY_HOME, or `.nightly` in the project's root."""
    environment = os.environ if environment is None else environment
    return Path(environment.get(HOME_VARIABLE) or root / ".nightly").absolute()


def bind_process_to(settings: Settings) -> None:
    """Make this process and those it starts use these settings: Dagster loads the definitions from the environment."""
    os.environ[PROFILE_VARIABLE] = settings.profile
    os.environ[HOME_VARIABLE] = str(settings.home)
    os.environ["DAGSTER_HOME"] = str(settings.root)


def _read_profile(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if name in seen:
        raise SettingsError(f"profile {name!r} extends itself: {' -> '.join((*seen, name))}")
    document = _parse(_profile_text(name), name)
    parent = document.pop("extends", None)
    return _merge(_read_profile(parent, (*seen, name)), document) if parent else document


def _profile_text(name: str) -> str:
    if name in SHIPPED_PROFILES:
        return _shipped(name).read_text()
    path = Path(name)
    if not path.is_file():
        suggestion = nearest(name, SHIPPED_PROFILES)
        perhaps = f"; perhaps you meant {suggestion!r}" if suggestion else ""
        raise SettingsError(
            f"no profile {name!r}{perhaps}. Shipped: {', '.join(SHIPPED_PROFILES)}; or the path of a YAML file",
            next_step="Choose with --profile or NIGHTLY_PROFILE.",
        )
    return path.read_text()


def _shipped(name: str) -> Any:
    return resources.files("nightly_pipeline") / "profiles" / f"{name}.yaml"


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"profile {name!r} is not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"profile {name!r} must be a mapping of fields, not {type(document).__name__}")
    return document


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key, `above` winning; a null removes the row below it; anything else replaces."""
    merged = dict(below)
    for key, value in above.items():
        if value is None and isinstance(merged.get(key), Mapping):
            del merged[key]
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _apply_environment(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    for variable, (*sections, field) in _OVERRIDES.items():
        if environment.get(variable):
            target = document
            for section in sections:
                target = target.setdefault(section, {})
            target[field] = environment[variable]


def _ca_bundle(environment: Mapping[str, str]) -> str | None:
    candidates = (environment.get("SSL_CERT_FILE"), *_CA_BUNDLES)
    return next((path for path in candidates if path and Path(path).is_file()), None)


def _validate(document: Mapping[str, Any], name: str) -> Settings:
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise SettingsError(f"profile {name!r} is not valid:\n{explain(error, Settings)}") from None


def _passed_on(table: Catalog, environment: Mapping[str, str]) -> dict[str, SecretStr]:
    names = {name for stage in table.stages.values() for name in stage.pass_environment}
    return {name: SecretStr(environment[name]) for name in sorted(names) if environment.get(name)}
