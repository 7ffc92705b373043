"""What changed since the night before and what left its usual range, in lines of plain text. All of it is untrusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nightly_pipeline.model.judgement import Drift, ImageChange, Judgement, PackageChange, StepChange
from nightly_pipeline.model.quantities import NOTHING, bytes_text, digest_text, duration_text, plural
from nightly_pipeline.model.untrusted import short_line

_PACKAGES_NAMED, _STEPS_NAMED = 6, 3
_HARDLY = 0.01
"""By less than this share of its size or of its build's time nothing is worth a line."""


def image_lines(judgement: Judgement) -> tuple[str, ...]:
    """A line for each image in which anything is known to have changed but its digest.

    `vllm/amd64 runtime image: base sha256:1 → sha256:2; 2 packages: torch 2.8 → 2.9, + numpy 2.4; 8.0 GB → 9.1 GB`
    """
    found = ((one, "; ".join(_parts(one))) for one in judgement.changes)
    return tuple(
        short_line(f"{one.framework}/{one.arch} {one.kind} image: {text}", 600) for one, text in found if text
    )


def drift_line(one: Drift) -> str:
    """`build step vllm/amd64 [install] RUN make: 12 min 3 s, usually 4 min 5 s over 14 nights`."""
    where = "/".join(part for part in (one.framework, one.arch, one.stage) if part)
    named = " ".join(part for part in (one.what.replace("_", " "), where, short_line(one.name, 300)) if part)
    crept = "crept to " if one.slow else ""
    value, usual = _quantity(one.value, one.unit), _quantity(one.usual, one.unit)
    return f"{named}: {crept}{value}, usually {usual} over {plural(one.nights, 'night')}"


def _parts(one: ImageChange) -> Iterator[str]:
    if one.base_before and one.base_after and one.base_before != one.base_after:
        yield f"base {digest_text(one.base_before)} → {digest_text(one.base_after)}"
    if one.packages:
        yield f"{plural(len(one.packages), 'package')}: {_named(map(package_text, one.packages), _PACKAGES_NAMED)}"
    if _moved(one.size_before, one.size_after):
        yield f"{bytes_text(one.size_before)} → {bytes_text(one.size_after)}"
    if _moved(one.build_before_s, one.build_after_s) and one.steps:
        yield f"built in {duration_text(one.build_before_s)} → {duration_text(one.build_after_s)}"
    if one.steps:
        yield _named(map(step_text, one.steps), _STEPS_NAMED)


def _named(texts: Iterable[str], most: int) -> str:
    every = list(texts)
    more = len(every) - most
    return ", ".join([*every[:most], *([f"{more} more"] if more > 0 else [])])


def package_text(one: PackageChange) -> str:
    """`torch 2.8 → 2.9`, `+ numpy 2.4`, `- numpy 2.3`."""
    if one.before is None:
        return f"+ {one.name} {one.after or ''}".rstrip()
    return f"- {one.name} {one.before}" if one.after is None else f"{one.name} {one.before} → {one.after}"


def step_text(one: StepChange) -> str:
    """`[install] RUN make 4 min 5 s → 12 min 3 s`; `cached` where it did not run."""
    took = " → ".join(
        "cached" if took is None else duration_text(took) for took in (one.before_s, one.after_s)
    )
    return f"{short_line(one.name, 80)} {took}"


def _moved(before: float | None, after: float | None) -> bool:
    return bool(before) and after is not None and abs(after / (before or 1) - 1) >= _HARDLY


def _quantity(value: float, unit: str) -> str:
    return bytes_text(round(value)) if unit == "bytes" else duration_text(value) or NOTHING
