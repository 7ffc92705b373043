"""Which commit a run is built from: decided once, written down, the same for every step."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import RecordError, SourceError
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.source import NightRun, revision_of
from tests.fakes.source import FakeRepository, revision

TODAY, PAST = date(2026, 11, 22), date(2026, 11, 20)
EIGHT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
NOW, THEN, NAMED, REPEATED = (revision(name) for name in ("now", "then", "named", "repeated"))


@pytest.fixture
def repository():
    return FakeRepository({("main", None): NOW, ("main", EIGHT): THEN, ("9fceb02", None): NAMED})


def night(day: date = TODAY, **fields) -> NightRun:
    return NightRun(date=day, run_id="run-2", today=TODAY, **fields)


def decide(run: NightRun, repository: FakeRepository, records: NightRecords):
    return revision_of(run, repository=repository, ref="main", records=records)


def test_tonight_is_the_head_of_now(repository, records):
    assert decide(night(), repository, records) == NOW


def test_a_past_night_is_the_head_of_eight_oclock_that_day(repository, records):
    assert decide(night(PAST), repository, records) == THEN
    assert repository.asked == [("main", EIGHT)]


@pytest.mark.parametrize("day", [TODAY, PAST])
def test_a_commit_asked_for_by_name_is_that_commit_on_any_night(repository, records, day):
    records.write_revision(day.isoformat(), "run-1", REPEATED)

    assert decide(night(day, revision="9fceb02", rerun_of="run-1"), repository, records) == NAMED
    assert repository.asked == [("9fceb02", None)]


@pytest.mark.parametrize("day", [TODAY, PAST])
def test_a_rerun_is_built_from_the_commit_it_repeats_without_asking(repository, records, day):
    records.write_revision(day.isoformat(), "run-1", REPEATED)

    assert decide(night(day, rerun_of="run-1"), repository, records) == REPEATED
    assert repository.asked == []


def test_a_rerun_of_a_run_without_a_commit_is_refused(repository, records):
    with pytest.raises(RecordError, match="run run-1 left no commit on record"):
        decide(night(rerun_of="run-1"), repository, records)

    assert records.revision(TODAY.isoformat(), "run-2") is None


def test_it_is_asked_once_and_is_the_same_when_the_head_has_moved_on(repository, records):
    first = decide(night(), repository, records)
    repository.heads["main", None] = revision("later")

    assert decide(night(), repository, records) == first == NOW
    assert records.revision(TODAY.isoformat(), "run-2") == NOW
    assert repository.asked == [("main", None)]


def test_another_run_of_the_same_night_decides_for_itself(repository, records):
    decide(night(), repository, records)
    repository.heads["main", None] = revision("later")
    other = NightRun(date=TODAY, run_id="run-3", today=TODAY)

    assert decide(other, repository, records) == revision("later")


def test_a_commit_that_cannot_be_had_is_not_written_down(repository, records):
    with pytest.raises(SourceError):
        decide(night(revision="0000000"), repository, records)

    assert records.store.kept == {}


def test_a_damaged_record_is_not_decided_again(repository, records):
    records.store.write(f"{TODAY}/run-2/source.json", b"{")

    with pytest.raises(RecordError):
        decide(night(), repository, records)
    assert repository.asked == []


def test_a_night_is_named_by_its_date():
    assert night(PAST).partition == "2026-11-20"


def test_a_run_prefers_its_own_images_then_those_it_repeats():
    assert night().image_runs == ("run-2",)
    assert night(rerun_of="run-1").image_runs == ("run-2", "run-1")


@given(dirty=st.booleans(), name=st.text(min_size=1, max_size=8))
def test_a_label_names_the_commit_and_marks_a_dirty_tree(name, dirty):
    found = revision(name, dirty=dirty)

    assert found.label.startswith(found.commit)
    assert (found.label != found.commit) == dirty
    assert not dirty or found.label.endswith(f"-dirty.{found.tree[:8]}")
