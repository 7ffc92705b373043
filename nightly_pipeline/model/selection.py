"""Which part of a night is meant: frameworks, architectures and stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nightly_pipeline.errors import UsageError
from nightly_pipeline.model.catalog import Catalog
from nightly_pipeline.model.spelling import unknown


@dataclass(frozen=True)
class Selection:
    """Names in the table's order.

    `partial` is true as soon as anything of the table is left out: a partial run says so wherever it shows.
    """

    frameworks: tuple[str, ...]
    architectures: tuple[str, ...]
    stages: tuple[str, ...]
    partial: bool


def select(
    catalog: Catalog,
    *,
    frameworks: Iterable[str] = (),
    architectures: Iterable[str] = (),
    stages: Iterable[str] = (),
    tests: bool = True,
) -> Selection:
    """Resolve what a person asked for; nothing asked is everything.

    Args:
        catalog: the table the names are from.
        frameworks: names; none is all of them.
        architectures: likewise.
        stages: likewise.
        tests: False selects images only.

    Raises:
        UsageError: a name is not in the table (the message has the nearest one), or stages are asked for and
            tests are not.
    """
    stages = tuple(stages)
    if stages and not tests:
        raise UsageError(
            f"images only, and the stages {', '.join(stages)}: one excludes the other",
            next_step="Leave one of the two out.",
        )
    chosen = (
        _pick("framework", frameworks, catalog.frameworks),
        _pick("architecture", architectures, catalog.architectures),
        _pick("stage", stages, catalog.stages) if tests else (),
    )
    whole = (tuple(catalog.frameworks), tuple(catalog.architectures), tuple(catalog.stages))
    return Selection(*chosen, partial=chosen != whole)


def _pick(kind: str, asked: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    known, asked = tuple(known), tuple(asked)
    for name in asked:
        if name not in known:
            raise UsageError(
                unknown(kind, name, known), next_step="See `nightly plan` for the names of the table."
            )
    return tuple(name for name in known if name in asked) if asked else known
