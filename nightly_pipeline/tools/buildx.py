"""Build and push images with `docker buildx`."""

from __future__ import annotations

import json
import re
import tempfile
import time
from pathlib import Path

import stamina

from nightly_pipeline.errors import (
    BuildError,
    BuildTimedOut,
    EnvironmentNotReady,
    ProcessError,
    ProcessTimedOut,
)
from nightly_pipeline.model.requests import BuildRequest, BuildResult
from nightly_pipeline.tools import process
from nightly_pipeline.tools.buildx_command import (
    BuildOptions,
    build_argv,
    docker_environment,
    inspect_builder_argv,
)
from nightly_pipeline.tools.buildx_errors import RegistryTrafficError, diagnose
from nightly_pipeline.tools.buildx_progress import Progress
from nightly_pipeline.tools.process import LineSink

_QUESTION_S = 120.0
"""How long a question to the engine or a registry may take."""

_STORE = "The engine must keep images in containerd's store (`containerd-snapshotter`): see `nightly doctor`."

_GRACE_S = 20.0
"""How long a build that is ended may take to cancel its steps."""


class BuildxBuilder:
    """An ImageBuilder over the docker command line.

    Metrics hold everything BuildKit tells. It does not tell which layers a push had to upload, so
    `pushed_bytes` stays None.

    Args:
        options: compression and provenance.
        attempts: how often a build is called in all, when nothing but registry traffic stood in the way. What
            was built is in the builder's cache, so a repetition only pushes.
        wait_s: seconds before the first repetition; it doubles with each.
    """

    def __init__(
        self, options: BuildOptions | None = None, *, attempts: int = 4, wait_s: float = 5.0
    ) -> None:
        self._options = options or BuildOptions()
        self._attempts = attempts
        self._wait_s = wait_s

    def build(self, request: BuildRequest, log: LineSink) -> BuildResult:
        """Build, push, and say what the registry names the image by.

        Raises:
            BuildError: the image could not be built or pushed; with `metrics` of what was seen.
            BuildTimedOut: ... within the request's deadline, all repetitions together.
            DiskFull: no space is left where the engine or the registry keeps images.
            EnvironmentNotReady: the engine or its emulation is not there.
        """
        deadline = time.monotonic() + request.deadline_s
        natives = _native_platforms(request)
        retries = stamina.retry_context(
            on=RegistryTrafficError,
            attempts=self._attempts,
            timeout=request.deadline_s,
            wait_initial=self._wait_s,
            wait_max=60.0,
            wait_jitter=self._wait_s,
        )
        for attempt in retries:
            with attempt:
                if attempt.num > 1:
                    log(f"Registry traffic failed: attempt {attempt.num} of {self._attempts}.")
                return self._once(request, natives, deadline, log)
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _once(
        self, request: BuildRequest, natives: tuple[str, ...], deadline: float, log: LineSink
    ) -> BuildResult:
        progress = Progress(natives=natives, target_platform=request.platform, log=log)
        with tempfile.TemporaryDirectory(prefix="nightly-build-") as folder:
            metadata_file = Path(folder) / "metadata.json"
            argv = build_argv(request, self._options, metadata_file=metadata_file)
            self._run(argv, request, progress, deadline)
            digest = _digest(metadata_file, request, progress)
        return BuildResult(digest=digest, metrics=progress.metrics())

    def _run(self, argv: tuple[str, ...], request: BuildRequest, progress: Progress, deadline: float) -> None:
        try:
            completed = process.run(
                argv,
                deadline_s=max(0.0, deadline - time.monotonic()),
                env=docker_environment(request),
                on_stderr=progress.feed,
                check=False,
                grace_s=_GRACE_S,
            )
        except ProcessTimedOut as error:
            progress.finish()
            raise _timed_out(request, progress) from error
        except ProcessError as error:
            raise EnvironmentNotReady(error.message, next_step=error.next_step) from error
        progress.finish()
        if completed.exit_code != 0:
            raise diagnose(request, progress, completed.stderr)


def _timed_out(request: BuildRequest, progress: Progress) -> BuildTimedOut:
    unfinished = [step.name for step in progress.steps if step.status == "cancelled"]
    during = f" It was at: {'; '.join(unfinished)}." if unfinished else ""
    return BuildTimedOut(
        f"{request.target} for {request.platform} was not built within {request.deadline_s:g} s.{during}",
        metrics=progress.metrics(),
    )


def _native_platforms(request: BuildRequest) -> tuple[str, ...]:
    """The own platform of each of the builder's nodes: BuildKit lists it first, emulated ones after it."""
    try:
        answer = process.run(
            inspect_builder_argv(request), deadline_s=_QUESTION_S, env=docker_environment(request)
        ).stdout
    except ProcessError as error:
        raise EnvironmentNotReady(
            f"The builder cannot be used: {error.stderr_tail or error.message}"
        ) from error
    if problem := re.search(r"^Error:\s*(.+)$", answer, re.MULTILINE):
        raise EnvironmentNotReady(f"The builder cannot be used: {problem[1]}")
    platforms = tuple(re.findall(r"^Platforms:\s*([a-z0-9/]+)", answer, re.MULTILINE))
    if not platforms:
        raise EnvironmentNotReady(f"The builder does not say which platforms it builds for:\n{answer}")
    return platforms


def _digest(metadata_file: Path, request: BuildRequest, progress: Progress) -> str:
    try:
        digest = json.loads(metadata_file.read_bytes())["containerimage.digest"]
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(
            f"{request.target} for {request.platform} was built, but buildx did not say its digest.",
            next_step=_STORE,
            metrics=progress.metrics(),
        ) from error
    return str(digest)
