"""What changed since the night a judgement compares with: images, commits, and so who may know about an incident."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.changes import ImageFacts, image_change
from nightly_pipeline.model.judgement import Commit, ImageChange, Incident, Judgement, Verdict
from nightly_pipeline.model.metrics import BuildMetrics
from nightly_pipeline.model.outcomes import GOOD_IMAGE, ImageOutcome
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.supply_chain import read_packages_json
from nightly_pipeline.steps.ports import SourceRepository
from nightly_pipeline.steps.records import NightRecords

MOST_SUSPECTS = 10
_NO_COMMITS_DOING = frozenset({Verdict.ENVIRONMENT, Verdict.FLAKY})
_Found = TypeVar("_Found")


def with_changes(
    judgement: Judgement, report: Report, records: NightRecords, source: SourceRepository
) -> Judgement:
    """The judgement with what changed. What is not on record any more is left out: an empty list says nothing."""
    if judgement.compared_with is None:
        return judgement
    authors = _Authors(source)
    return judgement.model_copy(
        update={
            "changes": tuple(_image_changes(report, judgement.compared_with, records)),
            "commits": _commits(report, judgement.compared_with, records, source),
            "incidents": tuple(authors.named(incident) for incident in judgement.incidents),
        }
    )


def _image_changes(report: Report, before: str, records: NightRecords) -> list[ImageChange]:
    changes = []
    for image in report.images:
        known = records.good_image(before, image.framework, image.arch, image.kind)
        if known is not None and image.status in GOOD_IMAGE:
            changes.append(image_change(_facts(known, records), _facts(image, records)))
    return changes


def _facts(image: ImageOutcome, records: NightRecords) -> ImageFacts:
    return ImageFacts(
        outcome=image,
        packages=_kept(image, "packages", records, read_packages_json),
        metrics=_kept(image, "metrics", records, BuildMetrics.model_validate_json),
    )


def _kept(
    image: ImageOutcome, name: str, records: NightRecords, read: Callable[[bytes], _Found]
) -> _Found | None:
    """An artifact of an image as a value; None when it is not kept, or damaged."""
    key = image.artifacts.get(name)
    content = records.store.read(key) if key else None
    try:
        return read(content) if content else None
    except (ValidationError, ValueError):
        return None


def _commits(
    report: Report, before: str, records: NightRecords, source: SourceRepository
) -> tuple[Commit, ...]:
    """The commits between the two nights; none where one of the two is not in the repository any more."""
    old, new = _commit_of(before, records), report.source_revision
    return _between(source, old, new)


def _commit_of(night: str, records: NightRecords) -> str | None:
    """The commit of the newest run of a night that has one on record."""
    revisions = []
    for run_id in records.run_ids(night):
        try:
            revision = records.revision(night, run_id)
        except NightlyError:  # a damaged record: another run's will do
            continue
        if revision is not None:
            revisions.append(revision)
    return max(revisions, key=lambda one: one.committed_at).commit if revisions else None


def _between(source: SourceRepository, before: str | None, after: str | None) -> tuple[Commit, ...]:
    if not before or not after:
        return ()
    try:
        return source.between(_hash(before), _hash(after))
    except NightlyError:
        return ()


def _hash(label: str) -> str:
    """The commit of a revision's label: a dirty tree is named after the commit it was made from."""
    return label.partition("-dirty")[0]


class _Authors:
    """Who wrote what came between the last good night and the first bad one of an incident; asked once a pair."""

    def __init__(self, source: SourceRepository) -> None:
        self._source = source
        self._known: dict[tuple[str | None, str | None], tuple[str, ...]] = {}

    def named(self, incident: Incident) -> Incident:
        """The incident with its suspects; none where no commit is to blame."""
        if incident.verdict in _NO_COMMITS_DOING:
            return incident
        ends = incident.last_good_revision, incident.first_bad_revision
        if ends not in self._known:
            authors = dict.fromkeys(commit.author for commit in _between(self._source, *ends))
            self._known[ends] = tuple(authors)[:MOST_SUSPECTS]
        return incident.model_copy(update={"suspects": self._known[ends]})
