"""Build metrics: what a build did and where its time went. Written for failed builds too."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from nightly_pipeline.model.outcomes import Record


class BuildStep(Record):
    """One step of a Dockerfile, as BuildKit reported it.

    Attributes:
        name: BuildKit's own name, e.g. `[install 3/5] RUN uv pip install ...`.
        platform: the platform the step ran on when BuildKit says so, else None.
        emulated: the step executed something for a platform that is not the builder's own.
        internal: BuildKit's own housekeeping; not counted in the hit rate.
    """

    name: str
    digest: str
    status: Literal["cached", "done", "failed", "cancelled"]
    started_at: datetime | None = None
    duration_s: float = 0.0
    platform: str | None = None
    emulated: bool = False
    internal: bool = False
    error: str | None = None


class BuildMetrics(Record):
    """One build.

    Attributes:
        wall_s: seconds from the first event to the last; steps run side by side, so it is not their sum.
        steps, cached_steps: without BuildKit's internal ones.
        hit_rate: cached_steps / steps, None when there are no steps.
        pushed_bytes: bytes of the blobs that were new to what the image's tag and its framework's named before:
            what a push has to upload at most (a blob that only an older image has is not uploaded again); None when
            nothing was pushed.
        image_bytes: compressed size of config and layers of the platform's manifest; None when nothing was
            pushed.
        build_steps: every step, in order of start.
    """

    wall_s: float
    steps: int
    cached_steps: int
    hit_rate: float | None
    emulated_steps: int = 0
    pushed_bytes: int | None = None
    image_bytes: int | None = None
    build_steps: tuple[BuildStep, ...] = ()
