"""A builder whose builds may take longer than a registry's login lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from nightly_pipeline.errors import BuildLoginRefused
from nightly_pipeline.model.requests import BuildRequest, BuildResult
from nightly_pipeline.tools.process import LineSink


class _Builder(Protocol):
    def build(self, request: BuildRequest, log: LineSink) -> BuildResult: ...


class LastingBuilder:
    """Sees to the repositories first, and repeats a build once with a new login when its own was refused.

    BuildKit asks for a login when it first needs one, to read a cache, and keeps it for the whole build. If it is
    not good any more when the image is pushed, everything is in the builder's cache: the repetition only pushes.

    Args:
        builder: builds.
        renew: writes fresh logins into a request's DOCKER_CONFIG.
        prepare: makes sure of what must be there before a push.
    """

    def __init__(
        self, builder: _Builder, *, renew: Callable[[Path], None], prepare: Callable[[], None]
    ) -> None:
        self._builder = builder
        self._renew = renew
        self._prepare = prepare

    def build(self, request: BuildRequest, log: LineSink) -> BuildResult:
        """Build and push.

        Raises:
            BuildError: as the builder says; BuildLoginRefused when the new login was refused too.
            RegistryError: a repository is missing, or a new login could not be had.
        """
        self._prepare()
        ends_at = time.monotonic() + request.deadline_s
        try:
            return self._builder.build(request, log)
        except BuildLoginRefused as error:
            if request.docker_config is None:
                raise
            log(f"{error.message.splitlines()[0]} Once more, with a new login.")
            self._renew(request.docker_config)
        return self._builder.build(replace(request, deadline_s=max(0.0, ends_at - time.monotonic())), log)
