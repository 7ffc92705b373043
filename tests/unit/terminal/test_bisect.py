"""What a search found, on the terminal."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.bisect import Finding
from nightly_pipeline.model.bisect_record import BisectRecord, Look, State
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.terminal.bisect import bisect_answer
from tests.unit.model.pasts import TEST
from tests.unit.terminal.screens import screen

GOOD, BAD = "2026-11-20", "2026-11-21"
COMMITS = tuple(
    Commit(revision=f"c{at}" * 20, author=f"Author {at}", subject=f"Subject {at}") for at in range(1, 4)
)
LOOKS = (
    Look(name=BAD, finding=Finding.BAD, line="KeyError: 'usage'"),
    Look(name=GOOD, finding=Finding.GOOD),
    Look(name=COMMITS[1].revision, finding=Finding.BAD, line="KeyError: 'usage'", built=True),
    Look(name=COMMITS[0].revision, finding=Finding.GOOD, built=True),
)


def answer(**fields) -> str:
    record = BisectRecord(
        test=TEST,
        good=GOOD,
        bad=BAD,
        nights=(GOOD, BAD),
        revisions={GOOD: "c0" * 20, BAD: COMMITS[-1].revision},
        **({"commits": COMMITS, "looks": LOOKS} | fields),
    )
    return screen(bisect_answer(record), 200)


def test_one_commit_is_named_with_its_author_and_the_line_of_the_log() -> None:
    shown = answer(state=State.FOUND)
    assert "The first bad commit:" in shown
    assert f"{COMMITS[1].revision[:12]}  Author 2: Subject 2" in shown
    assert shown.rstrip().endswith("KeyError: 'usage'")


def test_of_a_merge_those_who_wrote_what_it_brought_are_named() -> None:
    many = tuple(Commit(revision=f"{at:040}", author=f"Topic {at}", subject="Part") for at in range(23))
    shown = answer(state=State.FOUND, merged=many)
    assert "which brought" in shown
    assert "Topic 19: Part" in shown
    assert "Topic 20: Part" not in shown
    assert "3 more: git log" in shown


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state": State.NARROWED, "looks": LOOKS[:2], "message": "the commits between could not tell"},
         "One of these 3 commits; the commits between could not tell:"),
        ({"state": State.SAME_COMMIT, "commits": (), "message": "both are of the same commit"},
         f"Good until {GOOD}. both are of the same commit."),
        ({"state": State.SET_BACK, "commits": (), "message": "the commit is older"}, "the commit is older."),
        ({"state": State.CONTRADICTED, "message": f"{BAD} should be bad, but is good"},
         f"Nothing to search: {BAD} should be bad, but is good."),
        ({"state": State.STOPPED, "message": "1 image built"}, "Stopped, 1 image built: it is one of"),
        ({"state": State.FOUND, "message": "with another error than the bad night: there may be two causes"},
         "The first bad commit, with another error"),
    ],
)  # fmt: skip
def test_every_end_says_what_happened_and_what_next(fields, said) -> None:
    shown = answer(**fields, next_step="Do this.")
    assert said in shown
    assert "next: Do this." in shown


def test_text_of_authors_stays_on_its_line() -> None:
    hostile = COMMITS[1].model_copy(update={"author": "a\nb", "subject": "\x1b[31mred [bold]x"})
    shown = answer(state=State.FOUND, commits=(COMMITS[0], hostile, COMMITS[2]), looks=LOOKS)
    assert "a b" in shown
    assert "[bold]x" in shown
    assert "\x1b[31m" not in shown
