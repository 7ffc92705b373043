"""The sections of a profile, each a frozen value that validates itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, FilePath, PlainSerializer, field_validator, model_validator

from nightly_pipeline.model.catalog import Strict
from nightly_pipeline.model.masking import without_credentials
from nightly_pipeline.model.spelling import nearest, unknown
from nightly_pipeline.settings_registries import Secret

Address = Annotated[str, PlainSerializer(without_credentials)]

KEY_SERVICES = ("awskms", "azurekms", "gcpkms", "hashivault", "k8s")

_TAGGED_IMAGE = re.compile(r"[\w.:/-]+(:\w[\w.-]*|@sha256:[0-9a-f]{64})", re.ASCII)


class SourceSettings(Strict):
    """The git repository under test. A relative path is relative to the project.

    An address may carry a login (`https://user:token@host/...`); it is left out wherever settings are shown.
    """

    repository: Address = Field(default=".", min_length=1)
    ref: str = Field(default="HEAD", min_length=1)

    def __repr_args__(self) -> Iterator[tuple[str, str]]:
        yield "repository", without_credentials(self.repository)
        yield "ref", self.ref


class MockEngineSettings(Strict):
    """The stand-in for the inference engine: its requirement (a path in the build context) and version."""

    requirement: str = "./mock_engine"
    version: str


class BuildSettings(Strict):
    """How images are built.

    Attributes:
        provenance: BuildKit's provenance attestation.
        sbom: the image with which BuildKit lists the packages of each runtime image (an SBOM, attached to it), with
            a tag or a digest; `none` attaches no list.
        ca_bundle: certificates that package downloads inside builds trust; a BuildKit secret, never in the
            image. Not given is the system's own; null is none.
        index_file: lines NAME=VALUE that say where packages come from (`UV_INDEX=...`, credentials included); a
            BuildKit secret too, mounted while packages are installed.
        compression: of pushed layers; zstd at level 1 exports large images about three times as fast as gzip.
    """

    provenance: Literal["max", "min", "none"] = "max"
    sbom: str = "none"
    compression: Literal["gzip", "zstd"] = "zstd"
    compression_level: int = Field(default=1, ge=0, le=22)
    cache: bool = True
    builder: str | None = None
    ca_bundle: FilePath | None = None
    index_file: FilePath | None = None

    @field_validator("sbom")
    @classmethod
    def _an_image_or_none(cls, value: str) -> str:
        if value != "none" and not _TAGGED_IMAGE.fullmatch(value):
            perhaps = "; perhaps you meant 'none'" if nearest(value, ["none"]) else ""
            raise ValueError(
                f"must be an image with a tag or a digest (host/repository:tag), or none{perhaps}"
            )
        return value

    @property
    def sbom_generator(self) -> str | None:
        """The image of `sbom`; None for none."""
        return None if self.sbom == "none" else self.sbom


class SigningSettings(Strict):
    """Signatures by cosign, on what is published, in every registry. Without a key nothing is signed.

    Attributes:
        key: a private key: a file (a relative path is relative to the project), or an address that cosign knows:
            `awskms://`, `azurekms://`, `gcpkms://`, `hashivault://`, `k8s://`.
        transparency_log: also write each signature to Sigstore's public log, where digest and public key can be
            read by everybody; those who verify then need no `--insecure-ignore-tlog`.
        password: of a key file; it comes from COSIGN_PASSWORD alone.
    """

    key: str | None = Field(default=None, min_length=1)
    transparency_log: bool = False
    password: Secret | None = None

    @field_validator("key")
    @classmethod
    def _a_file_or_a_known_address(cls, value: str | None) -> str | None:
        scheme, separator, _ = (value or "").partition("://")
        if separator and scheme not in KEY_SERVICES:
            raise ValueError(unknown("key service", scheme, KEY_SERVICES))
        return value

    @property
    def is_file(self) -> bool:
        """Whether the key is a file rather than kept by a service."""
        return self.key is not None and "://" not in self.key


class TestSettings(Strict):
    """What every test container gets.

    Attributes:
        model: what the suite serves with a real engine.
        network: False gives containers the loopback interface alone, where nothing needs to be fetched.
    """

    __test__ = False

    model: str = "hf-internal-testing/tiny-random-LlamaForCausalLM"
    memory_gb: float | None = Field(default=None, gt=0)
    pids_limit: int = Field(default=4096, gt=0)
    network: bool = True


def _slack_id(text: str) -> str:
    if re.fullmatch(r"[USW][A-Z0-9]{2,}", text) is None:
        raise ValueError(
            f"{text!r} is no Slack id; a user's looks like U012AB3CD, a user group's like S012AB3CD"
        )
    return text


SlackId = Annotated[str, AfterValidator(_slack_id)]


class FreshnessSettings(Strict):
    """When there is an alarm because no night finishes any more: so long after the last one did."""

    max_age_hours: float = Field(default=26, gt=0)


class SlackSettings(Strict):
    """Where the message goes. Without a token or a webhook nothing is sent.

    Attributes:
        update_every_s: a running night's message changes no more often; Slack allows about one change a second.
        mentions: owner, as the owners' file spells it -> id of a Slack user (U...) or user group (S...), who is called
            when something new breaks.
    """

    channel: str | None = None
    base_url: str | None = None
    token: Secret | None = None
    webhook: Secret | None = None
    update_every_s: float = Field(default=20, ge=1)
    mentions: dict[str, SlackId] = Field(default_factory=dict)

    @property
    def configured(self) -> bool:
        """Whether anything is sent."""
        return self.token is not None or self.webhook is not None

    @model_validator(mode="after")
    def _a_token_needs_a_channel(self) -> Self:
        if self.token is not None and self.channel is None:
            msg = "channel is needed where a token is set (NIGHTLY_SLACK_CHANNEL)"
            raise ValueError(msg)
        return self


class ArtifactSettings(Strict):
    """Where artifacts are kept: in files below the state's folder, or in a bucket of S3 or what speaks its language.

    Attributes:
        days: how long they are kept; not given is `artifacts_days`.
        prefix: folder within the bucket, for a bucket that is shared.
        endpoint: of an S3-compatible storage; None is AWS's own.
        region: None is what AWS's own configuration says.
        links: what a reader of a report is given: `console` AWS's console (needs a login), `presigned` an address that
            is good for seven days at most for whoever has it, `uri` s3://bucket/key.
        address: where a web server of yours shows the artifacts: the links in messages and pages lead there.
    """

    kind: Literal["local", "s3"] = "local"
    days: int | None = Field(default=None, gt=0)
    bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    prefix: str = Field(
        default="", pattern=r"^([A-Za-z0-9_=@~-][A-Za-z0-9_=@~.-]*(/[A-Za-z0-9_=@~-][A-Za-z0-9_=@~.-]*)*)?$"
    )
    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/?#@]+/?$")
    region: str | None = None
    links: Literal["console", "presigned", "uri"] = "uri"
    address: str | None = Field(default=None, pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")

    @model_validator(mode="after")
    def _a_bucket_goes_with_s3(self) -> Self:
        if self.kind == "s3" and self.bucket is None:
            msg = "bucket is needed where kind is s3"
            raise ValueError(msg)
        given = sorted({"bucket", "prefix", "endpoint", "region", "links"} & self.model_fields_set)
        if self.kind == "local" and given:
            raise ValueError(f"{', '.join(given)}: only where kind is s3")
        if self.links == "console" and self.endpoint is not None:
            msg = "links: AWS's console knows no other endpoint; use presigned or uri"
            raise ValueError(msg)
        return self
