"""The sections of a profile, each a frozen value that validates itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, FilePath, PlainSerializer, model_validator

from nightly_pipeline.model.catalog import Strict
from nightly_pipeline.model.masking import without_credentials
from nightly_pipeline.settings_registries import Secret

Address = Annotated[str, PlainSerializer(without_credentials)]


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
        ca_bundle: certificates that package downloads inside builds trust; a BuildKit secret, never in the
            image. Not given is the system's own; null is none.
        index_file: lines NAME=VALUE that say where packages come from (`UV_INDEX=...`, credentials included); a
            BuildKit secret too, mounted while packages are installed.
        compression: of pushed layers; zstd at level 1 exports large images about three times as fast as gzip.
    """

    provenance: Literal["max", "min", "none"] = "max"
    compression: Literal["gzip", "zstd"] = "zstd"
    compression_level: int = Field(default=1, ge=0, le=22)
    cache: bool = True
    builder: str | None = None
    ca_bundle: FilePath | None = None
    index_file: FilePath | None = None


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
