"""A search that was begun, and nights that were run again since."""

from __future__ import annotations

import pytest

from nightly_pipeline.assets.bisecting import FOLDER, OpenSearch, go_on, with_looks_of
from nightly_pipeline.errors import UsageError
from nightly_pipeline.model.bisect import Finding
from nightly_pipeline.model.bisect_ends import NightImage
from nightly_pipeline.model.bisect_record import BisectRecord, Look
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.settings import load_settings
from nightly_pipeline.steps.bisect import Limits
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from nightly_pipeline.tools.turns import FileTurns

TEST = TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id="unit/test_a.py::test_b")
GOOD, BAD = "2026-11-01", "2026-11-03"
COMMIT = Commit(revision="c2", author="Ada", subject="Break it")


def images(**digests: str) -> dict[str, NightImage]:
    known = {GOOD: "one", BAD: "three"} | {f"2026-11-0{name[1:]}": digest for name, digest in digests.items()}
    return {
        date: NightImage(date, "run", f"sha256:{digest}", f"c{date[-1]}")
        for date, digest in sorted(known.items())
    }


def record(found: dict[str, NightImage], **fields) -> BisectRecord:
    revisions = {night: image.revision for night, image in found.items()}
    return BisectRecord(
        **({"test": TEST, "good": GOOD, "bad": BAD, "nights": tuple(found), "revisions": revisions} | fields)
    )


LOOKS = (
    Look(name=BAD, finding=Finding.BAD, digest="sha256:three"),
    Look(name=GOOD, finding=Finding.GOOD, digest="sha256:one"),
    Look(name="c2", finding=Finding.GOOD, digest="sha256:built", built=True),
)


def test_a_search_goes_on_as_it_was_left():
    begun = record(images(), looks=LOOKS, commits=(COMMIT,))
    assert with_looks_of(begun, record(images()), images()) == begun


def test_a_look_at_an_image_that_counts_no_more_is_forgotten_and_builds_are_not():
    begun = record(images(), looks=LOOKS, commits=(COMMIT,))
    now = with_looks_of(begun, record(images()), images(n3="rebuilt"))
    assert [look.name for look in now.looks] == [GOOD, "c2"]
    assert now.commits == ()
    assert now.night_search.next == BAD


@pytest.mark.parametrize("finding", [Finding.GOOD, Finding.BAD])
def test_a_night_that_was_brought_in_since_is_asked_too(finding):
    begun = record(images(), looks=LOOKS[:2], commits=(COMMIT,))
    now = with_looks_of(begun, record(images(n2="two")), images(n2="two"))
    assert (now.nights, now.looks) == ((GOOD, "2026-11-02", BAD), LOOKS[:2])
    assert now.night_search.next == "2026-11-02"
    assert now.with_look(Look(name="2026-11-02", finding=finding)).night_search.next is None


def test_a_search_that_is_under_way_is_left_to_who_began_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTLY_HOME", str(tmp_path))
    settings, found = load_settings("local"), images(n1="a", n2="b")
    store = LocalArtifactStore(settings.home / FOLDER)
    search = OpenSearch("0f3a9c025d1e", record(found), found, store)
    with (
        FileTurns(settings.home / FOLDER / ".turns").take(search.name, wait_s=0),
        pytest.raises(UsageError, match="under way in another process"),
    ):
        go_on(settings, search, Limits(seconds=0), print, repeat=1)
    assert store.keys("") == []
