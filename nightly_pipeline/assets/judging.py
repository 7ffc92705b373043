"""Judges a night by what is remembered: opens what the rules need, and says what could not be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nightly_pipeline.errors import NightlyError, SettingsError
from nightly_pipeline.model.owners import PLACES, Owners, parse_owners
from nightly_pipeline.model.quarantine import Quarantine
from nightly_pipeline.model.report import Report, with_judgement
from nightly_pipeline.quarantine_file import read_quarantine
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.changes import with_changes
from nightly_pipeline.steps.judge import Rules, judge
from nightly_pipeline.steps.ports import History
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.stores import open_history, open_source

_T = TypeVar("_T")


@dataclass
class Judged:
    """A report with its judgement, or without one, and what could not be had for it.

    Attributes:
        problems: each a sentence.
    """

    report: Report
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        judgement = self.report.judgement
        if judgement is None:
            return f"not judged: {'; '.join(self.problems)}"
        said = f"judged by {judgement.known_nights} nights before"
        return f"{said}; {'; '.join(self.problems)}" if self.problems else said


def judged(
    report: Report, settings: Settings, records: NightRecords, *, history: History | None = None
) -> Judged:
    """Judge a night. What cannot be had is said, and the night is told without it: no error, and never greener."""
    result = Judged(report)
    rules = Rules(
        quarantine=_tried(result, "quarantine", lambda: _quarantine(settings), Quarantine()),
        owners=_tried(result, "owners", lambda: _owners(report, settings, records), Owners()),
        dockerfiles={name: one.dockerfile for name, one in settings.table.frameworks.items()},
        thresholds=settings.baseline,
    )
    try:
        past = history or open_history(settings)
        judgement = with_changes(judge(report, past, rules), report, records, open_source(settings))
        result.report = with_judgement(report, judgement)
        result.problems += [f"the past is not known whole: {problem}" for problem in past.problems()]
    except (NightlyError, OSError) as error:
        result.problems.append(_said(error))
    return result


def _tried(result: Judged, what: str, make: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return make()
    except (NightlyError, OSError, UnicodeDecodeError) as error:
        result.problems.append(f"without {what}: {_said(error)}")
        return otherwise


def _said(error: Exception) -> str:
    return error.message if isinstance(error, NightlyError) else str(error)


def _quarantine(settings: Settings) -> Quarantine:
    return read_quarantine(
        settings.quarantine_file, leave_after_nights=settings.quarantine.leave_after_nights
    )


def _owners(report: Report, settings: Settings, records: NightRecords) -> Owners:
    """The owners as the commit under test has them."""
    revision = records.revision(report.date, report.run_id)
    if revision is None:
        return Owners()
    root = open_source(settings).export(revision, settings.sources_root)
    named = settings.owners.file
    path = next((place for name in ([named] if named else PLACES) if (place := root / name).is_file()), None)
    if path is None and named:
        raise SettingsError(f"owners.file: there is no {named!r} in the repository under test")
    return _read_owners(path, root, settings.owners.suite) if path else Owners()


def _read_owners(path: Path, root: Path, suite: str) -> Owners:
    return parse_owners(path.read_text(encoding="utf-8"), file=str(path.relative_to(root)), suite=suite)
