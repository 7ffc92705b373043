"""Puts a search together: what the history knows of the test, tonight's plan of its stage, the tools of the profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.errors import RecordError, UsageError
from nightly_pipeline.model.bisect_ends import NightImage, images_between, night_ends
from nightly_pipeline.model.bisect_record import BisectRecord, bisect_id
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.outcomes import ImageOutcome, ImageStatus
from nightly_pipeline.model.past import TestNight, pasts
from nightly_pipeline.model.plan import PlannedImage, PlannedStage, image_key, stage_key
from nightly_pipeline.model.requests import Revision
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.bases import bases_of, pin_bases
from nightly_pipeline.steps.bisect import BisectTools, Limits, bisect
from nightly_pipeline.steps.bisect_looks import Looks
from nightly_pipeline.steps.ports import LineSink
from nightly_pipeline.stores import open_history, open_source
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from nightly_pipeline.tools.base_images import digests_behind
from nightly_pipeline.tools.git import GitRepository
from nightly_pipeline.tools.turns import FileTurns

FOLDER = "bisects"


@dataclass(frozen=True)
class Question:
    """What is asked: which test, and between which nights. None is what the history says."""

    test: TestIdentity
    good: str | None = None
    bad: str | None = None


@dataclass(frozen=True)
class OpenSearch:
    """A search that can be gone on with."""

    name: str
    record: BisectRecord
    images: dict[str, NightImage]
    store: LocalArtifactStore

    def keep(self, record: BisectRecord) -> None:
        """Write it down."""
        self.store.write(f"{self.name}.json", record.model_dump_json(indent=2).encode())


def open_search(settings: Settings, question: Question, *, restart: bool) -> OpenSearch:
    """The search for a question: the one that was begun, or a new one.

    Raises:
        RecordError: the history does not know a good night before a bad one, or their images.
        UsageError: the test's stage only collects on its architecture.
    """
    test, history = question.test, open_history(settings)
    planned_for(settings, test)
    nights = pasts(history.of_tests([test]), until="9999-12-31", engine=settings.engine).get(test, ())
    good, bad = _ends(question, nights)
    entries = history.entries(since=good, until=bad)
    images = images_between(entries, test, good, bad, engine_kind=settings.engine)
    name = bisect_id(test, good, bad)
    store = LocalArtifactStore(settings.home / FOLDER)
    fresh = BisectRecord(
        test=test,
        good=good,
        bad=bad,
        nights=tuple(images),
        revisions={night: image.revision for night, image in images.items()},
        dirty=tuple(night for night, image in images.items() if image.dirty),
    )
    begun = None if restart else _begun(store, name)
    return OpenSearch(name, with_looks_of(begun, fresh, images) if begun else fresh, images, store)


def with_looks_of(begun: BisectRecord, fresh: BisectRecord, images: Mapping[str, NightImage]) -> BisectRecord:
    """What was begun, with the nights as they are on record now: of one that was run again, its newest image counts.

    A look at an image that counts no more says nothing.
    """
    if (begun.nights, begun.revisions, begun.dirty) != (fresh.nights, fresh.revisions, fresh.dirty):
        begun = begun.model_copy(
            update={"nights": fresh.nights, "revisions": fresh.revisions, "dirty": fresh.dirty, "commits": ()}
        )
    digests = {night: image.digest for night, image in images.items()}
    looks = [
        look
        for look in begun.looks
        if look.built or look.digest is None or digests.get(look.name) == look.digest
    ]
    return (
        begun
        if len(looks) == len(begun.looks)
        else begun.model_copy(update={"looks": tuple(looks), "commits": ()})
    )


def go_on(
    settings: Settings, search: OpenSearch, limits: Limits, log: LineSink, *, repeat: int
) -> BisectRecord:
    """Go on with a search until it is over or a limit is reached.

    Raises:
        UsageError: somebody else is at it; two would take away each other's folders and what is written down.
    """
    with FileTurns(settings.home / FOLDER / ".turns").take(search.name, wait_s=0) as mine:
        if not mine:
            raise UsageError(
                f"the search for {search.record.test.node_id} is under way in another process",
                next_step="Wait until that one has ended: then the same command says what was found.",
            )
        return _go_on(settings, search, limits, log, repeat=repeat)


def _go_on(
    settings: Settings, search: OpenSearch, limits: Limits, log: LineSink, *, repeat: int
) -> BisectRecord:
    source = open_source(settings)
    looks = _looks(settings, search, source, log, repeat=repeat)
    tools = BisectTools(
        look_at_night=looks.at_night,
        look_at_commit=looks.at_commit,
        commits_between=lambda before, after: source.between(before, after, first_parent=True),
        keep=search.keep,
        brought_by=source.between,
    )
    return bisect(search.record, tools, limits)


def _looks(
    settings: Settings, search: OpenSearch, source: GitRepository, log: LineSink, *, repeat: int
) -> Looks:
    workplace = Workplace(profile=settings.profile)
    stage, image = planned_for(settings, search.record.test)

    def checkout(commit: str) -> tuple[Revision, Path]:
        revision = source.resolve(commit)
        return revision, workplace.export(revision)

    return Looks(
        test=search.record.test,
        stage=stage,
        image=image,
        images={night: _outcome(image, known) for night, known in search.images.items()},
        bases=pin_bases(bases_of([image]), digests_behind(settings), log),
        checkout=checkout,
        stage_tools=workplace.stage_tools,
        build_tools=workplace.build_tools,
        workspace=workplace.workspace,
        history=open_history(settings),
        log=log,
        name=search.name,
        repeat=repeat,
    )


def planned_for(settings: Settings, test: TestIdentity) -> tuple[PlannedStage, PlannedImage]:
    """The stage of a test and the image of its cell, as the profile plans them.

    Raises:
        UsageError: there is no such stage, or its architecture only collects.
    """
    entries = {entry.key: entry for entry in make_plan(settings).entries}
    stage = entries.get(stage_key(test.framework, test.arch, test.stage))
    image = entries.get(image_key(test.framework, test.arch, "runtime"))
    where = f"{test.framework}/{test.arch}/{test.stage}"
    if not isinstance(stage, PlannedStage) or not isinstance(image, PlannedImage):
        raise UsageError(
            f"the profile plans no {where}", next_step="Choose the profile that ran it: --profile."
        )
    if stage.mode == "collect":
        raise UsageError(
            f"{where} is only collected: nothing of it runs", next_step="Choose a cell whose tests run."
        )
    return stage, image


def _ends(question: Question, nights: Sequence[TestNight]) -> tuple[str, str]:
    if question.good and question.bad:
        good, bad = question.good, question.bad
    else:
        known = night_ends(question.test, nights)
        good, bad = question.good or known[0], question.bad or known[1]
    if good >= bad:
        raise UsageError(
            f"the good night ({good}) must be before the bad one ({bad})", next_step="Change --good or --bad."
        )
    return good, bad


def _begun(store: LocalArtifactStore, name: str) -> BisectRecord | None:
    content = store.read(f"{name}.json")
    try:
        return BisectRecord.model_validate_json(content) if content else None
    except ValidationError as error:
        raise RecordError(
            f"the search {name} was written down, but cannot be read: {error.error_count()} fields are wrong",
            next_step="Begin it anew with --restart.",
        ) from None


def _outcome(planned: PlannedImage, image: NightImage) -> ImageOutcome:
    return ImageOutcome(
        date=image.date,
        run_id=image.run_id,
        framework=planned.framework,
        arch=planned.arch,
        kind="runtime",
        status=ImageStatus.BUILT,
        runner=planned.runner,
        digest=image.digest,
        source_revision=image.revision,
        engine=planned.engine,
    )
