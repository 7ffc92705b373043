"""Getting a container's image onto its daemon."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import docker
import stamina
from docker.errors import APIError

from nightly_pipeline.errors import ContainerError, DiskFull
from nightly_pipeline.tools.container_daemon import UNREACHABLE, explanation, within
from nightly_pipeline.tools.container_logs import LineSink, note

_ABSENT = ("not found", "no match for platform", "no matching manifest", "manifest unknown", "name unknown")
_DENIED = (
    "unauthorized",
    "denied",
    "no basic auth",
    "authorization failed",
    "failed to authorize",
    "forbidden",
)
_FULL = "no space left on device"


@dataclass(frozen=True)
class Patience:
    """How long what may pass is tried again: until the deadline, and for so many attempts."""

    deadline_s: float = 3600.0
    attempts: int = 4
    first_wait_s: float = 2.0

    def attempts_of(self, may_pass: type[Exception]) -> Iterable[stamina.Attempt]:
        """One context manager an attempt; the last one lets the exception through."""
        return stamina.retry_context(
            on=may_pass,
            attempts=self.attempts,
            timeout=self.deadline_s,
            wait_initial=self.first_wait_s,
            wait_max=60.0,
        )


class PullFailed(Exception):  # noqa: N818 - an attempt that failed is no error yet
    """An attempt to pull failed for a reason that may pass."""


def pull(
    api: docker.APIClient,
    image: str,
    platform: str,
    *,
    log: LineSink,
    patience: Patience = Patience(),
) -> None:
    """Pull an image for a platform. What may pass is tried again.

    Raises:
        ContainerError: it is not there, may not be read, or did not come within deadline and attempts.
        DiskFull: the daemon has no space left for it.
    """
    note(log, f"pulling {image} for {platform}")
    started = time.monotonic()
    try:
        for attempt in patience.attempts_of(PullFailed):
            with attempt:
                left_s = started + patience.deadline_s - time.monotonic()
                _pull_once(api, image, platform, log=log, deadline_s=left_s)
    except PullFailed as failed:
        raise _given_up(image, failed) from failed
    note(log, f"pulled in {time.monotonic() - started:.1f} s")


def _pull_once(api: docker.APIClient, image: str, platform: str, *, log: LineSink, deadline_s: float) -> None:
    try:
        refused = within(max(0.0, deadline_s), lambda: _pulled(api, image, platform), what=f"pulling {image}")
    except APIError as error:
        refused = explanation(error)
    except UNREACHABLE as error:
        note(log, f"the pull broke off: {error}")
        raise PullFailed(str(error)) from error
    if refused:
        note(log, f"the pull failed: {refused}")
        raise _judged(image, platform, refused)


def _pulled(api: docker.APIClient, image: str, platform: str) -> str | None:
    """What the daemon says went wrong on the way, or None when it has the image."""
    for event in api.pull(image, platform=platform, stream=True, decode=True):
        if "error" in event:
            return str(event["error"])
    return None


def _judged(image: str, platform: str, refused: str) -> Exception:
    """The error for what a daemon said; what is not known to be final may pass."""
    said = refused.lower()
    if _FULL in said:
        return DiskFull(f"no space is left for {image}: {refused}")
    if any(word in said for word in _DENIED):
        return ContainerError(
            f"{image} may not be read: {refused}", next_step="Check the registry's login and its rights."
        )
    if any(word in said for word in _ABSENT):
        return ContainerError(
            f"{image} is not in its registry for {platform}: {refused}",
            next_step="See whether it was built and pushed: `nightly status`.",
        )
    return PullFailed(refused)


def _given_up(image: str, failed: PullFailed) -> Exception:
    """A daemon that does not answer stays that; all else is the image's error."""
    cause = failed.__cause__
    if isinstance(cause, UNREACHABLE) and not isinstance(cause, TimeoutError):
        return cause
    return ContainerError(
        f"{image} could not be pulled: {failed}",
        next_step="Check the registry and the runner's network; `nightly rerun` repeats what is missing.",
    )
