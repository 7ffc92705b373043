"""Promotion as values: what a night must have to be called `known-good`, what was found, what is remembered of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from nightly_pipeline.model.outcomes import (
    EngineFacts,
    Record,
)


class PromotionRule(Record):
    """What a framework's night must have.

    Attributes:
        architectures: all of the table: a framework is promoted whole.
        stages: those that have to be good on every architecture.
        registries: roles of those that must have every image.
        allow_mock: the mock engine may be promoted.
    """

    architectures: tuple[str, ...]
    stages: tuple[str, ...]
    registries: tuple[str, ...]
    allow_mock: bool = False


class PromotedImage(Record):
    """One architecture of what is promoted: the digest that was tested."""

    arch: str
    platform: str
    digest: str


class Candidate(Record):
    """The images of one framework of one night.

    Attributes:
        run_id: the newest run that published any of them.
    """

    framework: str
    date: str
    run_id: str
    images: tuple[PromotedImage, ...]
    engine: EngineFacts | None = None
    source_revision: str | None = None


class Problem(Record):
    """Why a framework is not promoted. A final one cannot be overridden: there is nothing right to promote."""

    text: str
    final: bool = False


class Assessment(Record):
    """Whether a framework of a night may be promoted.

    Attributes:
        candidate: None where there are no images to promote.
        excused: failures that do not count, as `arch/stage: test`: these tests are quarantined.
    """

    framework: str
    candidate: Candidate | None
    problems: tuple[Problem, ...] = ()
    excused: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether nobody may promote this, for whatever reason."""
        return self.candidate is None or any(problem.final for problem in self.problems)

    @property
    def text(self) -> str:
        """The problems in a line each."""
        return "\n".join(problem.text for problem in self.problems)


class PromotionRecord(Record):
    """One promotion, kept for good.

    Attributes:
        action: `rollback` is a promotion of an earlier night.
        when: the instant it was asked for, UTC.
        who: `user@host`, or the run of the orchestrator.
        index_digest: of the multi-arch index `known-good-{framework}` names.
        overridden: problems that a person promoted it in spite of.
        complete: every tag in every registry was seen to name what it should.
        problems: role of a registry -> what went wrong there.
    """

    action: Literal["promote", "rollback"]
    automatic: bool
    framework: str
    date: str
    run_id: str
    images: tuple[PromotedImage, ...]
    index_digest: str
    registries: tuple[str, ...]
    reason: str
    who: str
    when: datetime
    engine: EngineFacts | None = None
    source_revision: str | None = None
    overridden: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    complete: bool = True
    problems: dict[str, str] = Field(default_factory=dict)

    @property
    def candidate(self) -> Candidate:
        """What was promoted, to be promoted again."""
        return Candidate.model_validate(self.model_dump(include=set(Candidate.model_fields)))


def superseded(candidate: Candidate, records: Sequence[PromotionRecord]) -> str | None:
    """Why a promotion by itself would undo something; None when nothing speaks against it.

    Args:
        candidate: what would be promoted.
        records: every promotion of the framework, oldest first.
    """
    done = [record for record in records if record.complete]
    if not done:
        return None
    current = done[-1]
    if current.date > candidate.date:
        return f"known-good is of a newer night, {current.date}"
    if any(record.images == candidate.images for record in done) and current.images != candidate.images:
        return (
            f"these images were promoted before, and then {current.date} was chosen instead: {current.reason}"
        )
    return None
