from __future__ import annotations

import pytest

from nightly_pipeline.model.judgement import Commit, Incident, Judgement, Verdict
from nightly_pipeline.model.supply_chain import Package, packages_json
from nightly_pipeline.steps.changes import with_changes
from nightly_pipeline.steps.records import NightRecords
from tests.factories import DATE, image, night
from tests.fakes.source import FakeRepository, revision

LAST = "2026-11-19"
OLD, NEW = revision("old"), revision("new")
COMMITS = (
    Commit(revision="c2", author="Bob", subject="Second"),
    Commit(revision="c1", author="Ada", subject="First"),
    Commit(revision="c0", author="Bob", subject="Zeroth"),
)


@pytest.fixture
def source() -> FakeRepository:
    return FakeRepository(commits={(OLD.commit, NEW.commit): COMMITS})


def incident(verdict: Verdict = Verdict.NEW, **fields: str | None) -> Incident:
    return Incident(
        id="i1", title="boom", verdict=verdict, tests=(), cells=(), since=DATE, nights=1, **fields
    )


def remember(
    records: NightRecords, run_id: str, *, packages: list[Package] | None = None, **fields: object
) -> None:
    """An image of last night, with its packages where they are kept."""
    outcome = image(date=LAST, run_id=run_id, **fields)
    key = f"{LAST}/{run_id}/packages.json"
    if packages is not None:
        records.store.write(key, packages_json(packages).encode())
        outcome = outcome.model_copy(update={"artifacts": {"packages": key}})
    records.write_outcome(outcome)
    records.write_revision(LAST, run_id, OLD)


def test_without_a_night_to_compare_with_nothing_is_said(records, source):
    judgement = Judgement()
    assert with_changes(judgement, night(), records, source) is judgement
    assert source.compared == []


def test_what_changed_since_last_night(records, source):
    remember(
        records, "run-1", digest="sha256:old", packages=[Package(name="torch", version="1", type="pypi")]
    )
    key = f"{DATE}/tonight/packages.json"
    records.store.write(key, packages_json([Package(name="torch", version="2", type="pypi")]).encode())
    tonight = image(digest="sha256:new", artifacts={"packages": key})
    report = night(images=[tonight]).model_copy(update={"source_revision": NEW.commit})
    found = with_changes(Judgement(compared_with=LAST), report, records, source)
    (change,) = found.changes
    assert (change.digest_before, change.digest_after) == ("sha256:old", "sha256:new")
    assert [(each.name, each.before, each.after) for each in change.packages] == [("torch", "1", "2")]
    assert found.commits == COMMITS


def test_an_image_that_failed_tonight_or_was_not_there_last_night_has_no_change(records, source):
    remember(records, "run-1", arch="amd64")
    report = night(images=[image(status="failed", digest=None), image(arch="arm64")])
    assert with_changes(Judgement(compared_with=LAST), report, records, source).changes == ()


@pytest.mark.parametrize("content", [b"", b"no json", b"[1]"])
def test_a_damaged_list_of_packages_is_none(records, source, content):
    remember(records, "run-1", packages=[Package(name="torch", version="1", type="pypi")])
    records.store.write(f"{DATE}/x/packages.json", content)
    report = night(images=[image(artifacts={"packages": f"{DATE}/x/packages.json"})])
    (change,) = with_changes(Judgement(compared_with=LAST), report, records, source).changes
    assert change.packages == ()


def test_a_dirty_revision_is_compared_by_its_commit(records, source):
    remember(records, "run-1")
    report = night(images=[image()]).model_copy(update={"source_revision": f"{NEW.commit}-dirty.12345678"})
    assert with_changes(Judgement(compared_with=LAST), report, records, source).commits == COMMITS


def test_commits_that_are_gone_leave_the_rest_as_it_is(records):
    remember(records, "run-1", digest="sha256:old")
    report = night(images=[image()]).model_copy(update={"source_revision": NEW.commit})
    found = with_changes(Judgement(compared_with=LAST), report, records, FakeRepository())
    assert found.commits == ()
    assert len(found.changes) == 1


def test_suspects_are_those_who_wrote_what_came_between_each_once_newest_first(records, source):
    ends = {"last_good_revision": OLD.commit, "first_bad_revision": NEW.commit}
    judgement = Judgement(compared_with=LAST, incidents=(incident(**ends), incident(**ends), incident()))
    found = with_changes(judgement, night(), records, source)
    assert [one.suspects for one in found.incidents] == [("Bob", "Ada"), ("Bob", "Ada"), ()]
    assert source.compared == [(OLD.commit, NEW.commit)]  # asked once for both


@pytest.mark.parametrize("verdict", [Verdict.ENVIRONMENT, Verdict.FLAKY])
def test_nobody_is_suspected_of_what_no_commit_did(records, source, verdict):
    ends = {"last_good_revision": OLD.commit, "first_bad_revision": NEW.commit}
    judgement = Judgement(compared_with=LAST, incidents=(incident(verdict, **ends),))
    (found,) = with_changes(judgement, night(), records, source).incidents
    assert found.suspects == ()
