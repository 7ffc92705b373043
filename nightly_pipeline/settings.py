"""Settings: a profile file and the environment make one frozen, validated value.

This is the only reader of `os.environ`. A profile is a YAML file: `local`, `local-real` and `production` are
shipped; any path may be given instead. It may `extends:` another profile, and its `table:` section changes
rows of the table of the night (`profiles/night.yaml`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.model.catalog import BaseImage, Catalog, Strict
from nightly_pipeline.model.plan import IMAGE_KINDS
from nightly_pipeline.model.spelling import unknown
from nightly_pipeline.profile_files import (
    SHIPPED_PROFILES,
    from_variables,
    merge,
    read_profile,
    shipped_table,
)
from nightly_pipeline.settings_errors import Hints, explain
from nightly_pipeline.settings_judgement import (
    BaselineSettings,
    ConfirmationSettings,
    OwnersSettings,
    QuarantineSettings,
)
from nightly_pipeline.settings_known_good import PromotionSettings, RetentionSettings
from nightly_pipeline.settings_registries import (
    RegistrySettings,
    Secret,
    registry_variables,
    secrets_in_registries,
    tags_that_could_not_move,
)
from nightly_pipeline.settings_sections import (
    ArtifactSettings,
    BuildSettings,
    FreshnessSettings,
    MockEngineSettings,
    SigningSettings,
    SlackSettings,
    SourceSettings,
    TestSettings,
)

DEFAULT_PROFILE = "local"
PROFILE_VARIABLE = "NIGHTLY_PROFILE"
HOME_VARIABLE = "NIGHTLY_HOME"

_OVERRIDES = {
    "NIGHTLY_SOURCE_REPOSITORY": ("source", "repository"),
    "NIGHTLY_SOURCE_REF": ("source", "ref"),
    "NIGHTLY_GO_LIVE": ("go_live",),
    "NIGHTLY_CA_BUNDLE": ("build", "ca_bundle"),
    "NIGHTLY_INDEX_FILE": ("build", "index_file"),
    "NIGHTLY_SLACK_CHANNEL": ("slack", "channel"),
    "NIGHTLY_SLACK_BASE_URL": ("slack", "base_url"),
    "SLACK_BOT_TOKEN": ("slack", "token"),
    "SLACK_WEBHOOK_URL": ("slack", "webhook"),
    "COSIGN_PASSWORD": ("signing", "password"),
}
"""Environment variable -> the field of the profile it takes the place of. Secrets come this way only."""

_COMES_OTHERWISE = {
    "profile": "it is the file's own name",
    "root": "it is the folder of workspace.yaml",
    "home": f"set {HOME_VARIABLE}",
    "environment": "stages name what they pass on in `pass_environment`; set the variables themselves",
    "slack.token": "secrets come from the environment: set SLACK_BOT_TOKEN",
    "slack.webhook": "secrets come from the environment: set SLACK_WEBHOOK_URL",
    "signing.password": "secrets come from the environment: set COSIGN_PASSWORD",
}

_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


class Settings(Strict):
    """Everything a night needs to know, validated.

    Attributes:
        profile: the name or path it was read from.
        root: the project's root: where workspace.yaml and dagster.yaml are.
        home: where state lives (artifacts, sources, Dagster's storage).
        artifacts_days: how long artifacts are kept, unless `artifacts.days` says it.
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
    artifacts: ArtifactSettings = ArtifactSettings()
    max_concurrent_steps: int = Field(default=8, gt=0)
    dagster_url: str = "http://127.0.0.1:3000"
    build: BuildSettings = BuildSettings()
    tests: TestSettings = TestSettings()
    slack: SlackSettings = SlackSettings()
    freshness: FreshnessSettings = FreshnessSettings()
    signing: SigningSettings = SigningSettings()
    promotion: PromotionSettings = PromotionSettings()
    retention: RetentionSettings = RetentionSettings()
    owners: OwnersSettings = OwnersSettings()
    quarantine: QuarantineSettings = QuarantineSettings()
    baseline: BaselineSettings = BaselineSettings()
    confirmation: ConfirmationSettings = ConfirmationSettings()
    environment: dict[str, Secret] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _primary_takes_every_image(self) -> Self:
        if self.primary not in self.registries:
            raise ValueError(f"primary: {unknown('registry', self.primary, self.registries)}")
        missing = [kind for kind in IMAGE_KINDS if kind not in self.registries[self.primary].images]
        if missing:
            where = f"registries.{self.primary}.images"
            raise ValueError(f"{where}: builds push to the primary registry; add {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _tags_that_move_may_move(self) -> Self:
        for role, registry in self.registries.items():
            frameworks, architectures = self.table.frameworks, self.table.architectures
            if registry.create and (
                stuck := tags_that_could_not_move(registry.create, frameworks, architectures)
            ):
                where = f"registries.{role}.create.moving_tags"
                raise ValueError(f"{where}: {', '.join(stuck)} move every night and match none of them")
        return self

    @model_validator(mode="after")
    def _required_stages_are_of_the_table(self) -> Self:
        for stage in self.promotion.required_stages or ():
            if stage not in self.table.stages:
                raise ValueError(f"promotion.required_stages: {unknown('stage', stage, self.table.stages)}")
        return self

    @model_validator(mode="after")
    def _artifacts_are_kept_so_long(self) -> Self:
        if self.artifacts.days is not None and "artifacts_days" in self.model_fields_set:
            raise ValueError("artifacts.days: artifacts_days says the same; keep one of them")
        return self

    @property
    def kept_days(self) -> int:
        """How many days artifacts are kept."""
        return self.artifacts.days or self.artifacts_days

    @property
    def artifacts_root(self) -> Path:
        """Folder of the local artifact store."""
        return self.home / "artifacts"

    @property
    def history_root(self) -> Path:
        """Folder of what is remembered of every night, for good."""
        return self.home / "history"

    @property
    def quarantine_file(self) -> Path:
        """The file of tests that are known to be bad."""
        return self.root / self.quarantine.file

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
        SettingsError: no such profile, malformed YAML, or a field that does not validate; it names the field,
            what is allowed and the nearest valid spelling.
    """
    environment = os.environ if environment is None else environment
    name = profile or environment.get(PROFILE_VARIABLE) or DEFAULT_PROFILE
    root = root or project_root(environment)
    own = read_profile(name)
    _refuse_what_comes_otherwise(own, name)
    variables, origins = from_variables({**_OVERRIDES, **registry_variables(own)}, environment)
    table = shipped_table()
    shipped = {"table": table, "build": {"ca_bundle": _ca_bundle(environment)}}
    places = {"profile": name, "root": root, "home": state_home(root, environment)}
    document = merge(merge(shipped, {**own, "table": own.get("table") or {}}), variables)
    settings = _validate({**document, **places}, name, _hints(table, origins))
    return settings.model_copy(update={"environment": _passed_on(settings.table, environment)})


def project_root(environment: Mapping[str, str] | None = None) -> Path:
    """The nearest folder upwards with dagster.yaml and workspace.yaml; else DAGSTER_HOME; else this one."""
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
    """Make this process and those it starts use these settings: Dagster loads definitions by environment."""
    shipped = settings.profile in SHIPPED_PROFILES
    os.environ[PROFILE_VARIABLE] = settings.profile if shipped else str(Path(settings.profile).absolute())
    os.environ[HOME_VARIABLE] = str(settings.home)
    os.environ["DAGSTER_HOME"] = str(settings.root)


def _refuse_what_comes_otherwise(document: Mapping[str, Any], name: str) -> None:
    """Fields that would be overwritten in silence, and secrets, which do not belong in files."""
    sections = {
        name: document[name] for name in ("slack", "signing") if isinstance(document.get(name), Mapping)
    }
    present = {*document, *(f"{name}.{field}" for name, section in sections.items() for field in section)}
    secrets = secrets_in_registries(document)
    for field, instead in {**_COMES_OTHERWISE, **secrets}.items():
        if field in {*present, *secrets}:
            raise SettingsError(f"profile {name!r}: {field} cannot be set in a profile; {instead}")


def _ca_bundle(environment: Mapping[str, str]) -> str | None:
    candidates = (environment.get("SSL_CERT_FILE"), *_CA_BUNDLES)
    return next((path for path in candidates if path and Path(path).is_file()), None)


def _hints(table: Mapping[str, Any], origins: Mapping[str, str]) -> Hints:
    return Hints(
        fields=["extends", *(field for field in Settings.model_fields if field not in _COMES_OTHERWISE)],
        rows={f"table.{name}": list(rows) for name, rows in table.items()},
        origins=origins,
    )


def _validate(document: Mapping[str, Any], name: str, hints: Hints) -> Settings:
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        problems = explain(error, Settings, hints)
        raise SettingsError(f"profile {name!r} is not valid:\n{problems}") from None


def _passed_on(table: Catalog, environment: Mapping[str, str]) -> dict[str, SecretStr]:
    names = {name for stage in table.stages.values() for name in stage.pass_environment}
    return {name: SecretStr(environment[name]) for name in sorted(names) if environment.get(name)}
