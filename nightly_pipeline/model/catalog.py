"""The table of the night: frameworks, architectures, stages and runners, validated.

The shipped default is `profiles/night.yaml`. Adding a framework or an architecture is an edit of that table
(or of a profile's `table:` section) and a Dockerfile; no code knows their names.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from nightly_pipeline.model.spelling import unknown

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CUDA_WITHOUT_DOT = re.compile(r"(\d{2})(\d)")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

OWN_BUILD_ARGUMENTS = frozenset(
    {
        "BASE_IMAGE",
        "BASE_IMAGE_TAG",
        "RUNTIME_IMAGE",
        "RUNTIME_IMAGE_TAG",
        "CUDA_VERSION",
        "TORCH_BACKEND",
        "ENGINE_KIND",
        "ENGINE_REQUIREMENT",
        "ENGINE_VERSION",
        "FRAMEWORK_VERSION",
    }
)
"""Build arguments that follow from the table and the profile; else an image could lie about its engine."""


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        msg = f"{value!r} must be lower-case letters, digits and underscores, starting with a letter"
        raise ValueError(msg)
    return value


def _cuda_version(value: object) -> str:
    """Both spellings in use are accepted, one is stored: 12.9 and 129 are '12.9'."""
    text = str(value)
    undotted = _CUDA_WITHOUT_DOT.fullmatch(text)
    if undotted:
        return f"{undotted[1]}.{undotted[2]}"
    if not re.fullmatch(r"\d{2}\.\d(\.\d)?", text):
        msg = f"{text!r} is no CUDA version; write it as 12.9 (129 is accepted too)"
        raise ValueError(msg)
    return text


def _inside_the_repository(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        msg = f"{value!r} must be a path inside the repository"
        raise ValueError(msg)
    return value


def _tag(value: str) -> str:
    if not _TAG.fullmatch(value):
        msg = f"{value!r} is no image tag (letters, digits, '.', '_' and '-', at most 128 characters)"
        raise ValueError(msg)
    return value


def _markers(value: str) -> str:
    """Whatever is left when the one placeholder is taken out must not look like another."""
    strange = re.search(r"\{[^}]*\}?|\}", value.replace("{framework}", ""))
    if strange:
        msg = f"{strange[0]!r} is no placeholder; the only one is '{{framework}}'"
        raise ValueError(msg)
    return value


def _build_arguments(value: dict[str, str]) -> dict[str, str]:
    taken = sorted(OWN_BUILD_ARGUMENTS.intersection(value))
    if taken:
        msg = f"{', '.join(taken)} cannot be set here: other fields of the table and the profile decide that"
        raise ValueError(msg)
    return value


Name = Annotated[str, AfterValidator(_name)]
CudaVersion = Annotated[str, BeforeValidator(_cuda_version)]
RepositoryPath = Annotated[str, AfterValidator(_inside_the_repository)]
Tag = Annotated[str, AfterValidator(_tag)]
Markers = Annotated[str, AfterValidator(_markers)]
BuildArguments = Annotated[dict[str, str], AfterValidator(_build_arguments)]


class Strict(BaseModel):
    """A frozen value that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseImage(Strict):
    """A base image, repository and tag apart, because architectures override the tag alone."""

    image: str = Field(min_length=1)
    tag: Tag


class ArchitectureOverride(Strict):
    """What one architecture of one framework builds differently."""

    base_tag: Tag | None = None
    runtime_tag: Tag | None = None
    cuda_version: CudaVersion | None = None
    torch_backend: str | None = None


class Framework(Strict):
    """One inference framework.

    Attributes:
        title: as people write it.
        version: of the framework's package; also the label of its images.
        package: the distribution that is installed, `package==version` being the engine's requirement.
        base, runtime_base: what `framework` and `runtime` images start from.
        dockerfile, context: paths inside the repository under test.
        build_timeout_minutes: deadline of each of its builds.
        build_args: what its Dockerfile takes beside what every Dockerfile gets.
        overrides: architecture -> what differs there.
    """

    title: str
    version: str
    package: str
    base: BaseImage
    runtime_base: BaseImage | None = None
    dockerfile: RepositoryPath
    context: RepositoryPath
    cuda_version: CudaVersion
    torch_backend: str = ""
    build_timeout_minutes: int = Field(default=150, gt=0)
    build_args: BuildArguments = Field(default_factory=dict)
    overrides: dict[Name, ArchitectureOverride] = Field(default_factory=dict)


class Architecture(Strict):
    """One architecture: how it is built and whether its tests run or are only collected."""

    platform: str = Field(pattern=r"^linux/[a-z0-9]+(/v\d)?$")
    tests: Literal["run", "collect"]
    build_runner: str
    collect_runner: str | None = None

    @model_validator(mode="after")
    def _collecting_needs_a_runner(self) -> Self:
        if self.tests == "collect" and self.collect_runner is None:
            msg = "collect_runner is needed where tests is 'collect'"
            raise ValueError(msg)
        return self


class Stage(Strict):
    """One test stage. `markers` is a pytest marker expression; `{framework}` stands for the name of one."""

    title: str
    markers: Markers = Field(min_length=1)
    timeout_minutes: float = Field(gt=0)
    collect_timeout_minutes: float = Field(default=15, gt=0)
    gpus: int = Field(ge=0)
    runner: str
    shm_gb: float = Field(default=8, gt=0)
    environment: dict[str, str] = Field(default_factory=dict)
    pass_environment: tuple[str, ...] = ()


class Runner(Strict):
    """A kind of machine. `slots` is how many steps it takes at a time: the limit of its Dagster pool.

    `docker_host` is the address of its Docker daemon (as DOCKER_HOST has it); None is this machine's.
    """

    vcpus: int = Field(gt=0)
    memory_gb: float = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_model: str | None = None
    slots: int = Field(default=1, gt=0)
    docker_host: str | None = None


class Catalog(Strict):
    """The whole table, its references checked: every name a row mentions is another row."""

    frameworks: dict[Name, Framework] = Field(min_length=1)
    architectures: dict[Name, Architecture] = Field(min_length=1)
    stages: dict[Name, Stage] = Field(min_length=1)
    runners: dict[str, Runner] = Field(min_length=1)

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        problems = [
            f"{where}: {unknown(kind, name, allowed)}"
            for where, kind, name, allowed in self._references()
            if name not in allowed
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _references(self) -> list[tuple[str, str, str, list[str]]]:
        runners, architectures = list(self.runners), list(self.architectures)
        references = [
            (f"frameworks.{name}.overrides", "architecture", arch, architectures)
            for name, framework in self.frameworks.items()
            for arch in framework.overrides
        ]
        for name, architecture in self.architectures.items():
            references.append(
                (f"architectures.{name}.build_runner", "runner", architecture.build_runner, runners)
            )
            if architecture.collect_runner is not None:
                where = f"architectures.{name}.collect_runner"
                references.append((where, "runner", architecture.collect_runner, runners))
        references += [
            (f"stages.{name}.runner", "runner", stage.runner, runners) for name, stage in self.stages.items()
        ]
        return references
