"""Build metrics: what a build did and where its time went. Written for failed builds too."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Literal

from nightly_pipeline.model.outcomes import Record

_PLACE = re.compile(r"(?<=\S) \d+/\d+(?=\])")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")
_LONGEST_NAME = 300


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


def step_seconds(steps: Iterable[BuildStep]) -> Mapping[str, float]:
    """Step -> seconds, of those of a Dockerfile that ran and ended well; cached ones took no time.

    The names are the same from night to night: what is put in before a step, or a newer base image, changes nothing.
    """
    seconds: dict[str, float] = defaultdict(float)
    for step in steps:
        if step.status == "done" and not step.internal:
            seconds[_lasting_name(step.name)] += step.duration_s
    return {name: round(spent, 3) for name, spent in seconds.items()}


def _lasting_name(name: str) -> str:
    """Without its place among the others and the base's digest; of a long one the beginning and a hash of it all.

    >>> _lasting_name("[install 3/5] RUN  make")
    '[install] RUN make'
    """
    lasting = " ".join(_DIGEST.sub("", _PLACE.sub("", name, count=1)).split())
    if len(lasting) <= _LONGEST_NAME:
        return lasting
    return (
        f"{lasting[:_LONGEST_NAME]}… {blake2b(lasting.encode(errors='replace'), digest_size=4).hexdigest()}"
    )
