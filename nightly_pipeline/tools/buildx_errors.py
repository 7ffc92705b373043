"""What a failed build means: the Dockerfile, the engine, the disk, a login, or a registry's bad moment."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nightly_pipeline.errors import (
    BuildError,
    BuildLoginRefused,
    DiskFull,
    EnvironmentNotReady,
    NightlyError,
)
from nightly_pipeline.model.requests import BuildRequest
from nightly_pipeline.tools.buildx_progress import Progress
from nightly_pipeline.tools.buildx_steps import Step

_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_SPACE_AT_REGISTRY = re.compile(r"unexpected status.*: 507|insufficient storage", re.IGNORECASE)
_NO_ENGINE = re.compile(
    r"Cannot connect to the Docker daemon|error during connect|no builder .* found|"
    r"is not a docker command|unknown command: docker buildx|failed to receive status|"
    r"failed to find driver|no valid drivers found|permission denied while trying to connect|"
    r"code = Unavailable|unable to resolve docker endpoint"
)
_NO_EMULATION = "exec format error"
_FORBIDDEN = re.compile(r"\b40[13]\b|unauthorized|authorization|denied|forbidden", re.IGNORECASE)
_MAY_PASS = re.compile(
    r"unexpected status.*: (?:408|429|5\d\d)|\b(?:429|50[0-6]) |too ?many ?requests|broken pipe|\bEOF\b|"
    r"connection (?:reset|refused)|use of closed network connection|network is unreachable|no such host|"
    r"i/o timeout|handshake timeout|deadline exceeded|Client\.Timeout|server misbehaving|temporary failure",
    re.IGNORECASE,
)
_CACHE_STEP = re.compile(r"(importing|exporting) cache")
_EXIT_CODE = re.compile(r"exit code: (\d+)")
_SHOWN_LINES = 12


class RegistryTrafficError(BuildError):
    """Nothing is wrong with the image: a push or a pull was cut short and may pass. A repetition is cheap."""

    default_next_step = "It may pass by itself; `nightly rerun RUN_ID --failed` goes on from the cache."


def diagnose(request: BuildRequest, progress: Progress, said: str) -> NightlyError:
    """The error for a build that ended with an exit code other than 0.

    Args:
        request: what was to be built.
        progress: what was seen of it, to its end.
        said: the end of standard error, for builds that ended before BuildKit said anything.
    """
    what = f"{request.target} for {request.platform}"
    step = failed_step(progress)
    if step is not None and step.is_instruction:
        return _instruction_failed(what, step, progress, request.platform)
    message = _error_line(progress.text) or _error_line(said) or said.strip() or "docker buildx said nothing"
    return _something_else_failed(what, step, progress, message)


def failed_step(progress: Progress) -> Step | None:
    """The step that failed the build. A cache that cannot be read or written fails none."""
    failed = [step for step in progress.steps if step.status == "failed" and not _CACHE_STEP.match(step.name)]
    candidates = [step for step in failed if step.is_instruction] or failed
    return candidates[-1] if candidates else None


def _instruction_failed(what: str, step: Step, progress: Progress, platform: str) -> NightlyError:
    # The error repeats the command, whose text says nothing about what happened.
    said = [step.error.rpartition("did not complete successfully")[2], *step.output]
    if found := next((line for line in reversed(said) if _NO_SPACE.search(line)), None):
        return DiskFull(
            f"No space was left while building {what}, in `{step.name}`: {found}", metrics=progress.metrics()
        )
    if any(_NO_EMULATION in line for line in said) and step.is_emulated(progress.natives, platform):
        return EnvironmentNotReady(
            f"The builder cannot run programs for {step.platform or platform}: `{step.name}`",
            next_step="Set up emulation (`make setup`), or use a builder of that architecture.",
            metrics=progress.metrics(),
        )
    code = _EXIT_CODE.search(step.error)
    how = f"exit code {code[1]}" if code else step.error
    return BuildError(
        f"{what} could not be built: `{step.name}` failed with {how}{_indented(step.output)}",
        metrics=progress.metrics(),
    )


def _something_else_failed(what: str, step: Step | None, progress: Progress, message: str) -> NightlyError:
    during = f"`{step.name}` failed: " if step else ""
    whole = f"{what} could not be built: {during}{message}"
    if _NO_SPACE.search(message) or _NO_SPACE_AT_REGISTRY.search(message):
        return DiskFull(whole, metrics=progress.metrics())
    if _NO_ENGINE.search(message):
        return EnvironmentNotReady(whole, metrics=progress.metrics())
    if step is not None and _MAY_PASS.search(message):
        return RegistryTrafficError(whole, metrics=progress.metrics())
    if _FORBIDDEN.search(message):
        return BuildLoginRefused(whole, metrics=progress.metrics())
    return BuildError(whole, metrics=progress.metrics())


def _error_line(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ").removeprefix("failed to solve: ") if errors else ""


def _indented(output: Iterable[str]) -> str:
    lines = [line for line in output if line.strip()][-_SHOWN_LINES:]
    return ":\n" + "\n".join(f"    {line}" for line in lines) if lines else "."
