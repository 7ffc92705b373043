"""The verdicts on a night's tests: new, recurring, mended, renamed, quarantined."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry
from nightly_pipeline.model.report import with_judgement
from nightly_pipeline.steps import judged_past
from nightly_pipeline.steps.judge import Rules, judge
from tests.factories import failure, night, run_facts, stage
from tests.fakes.history import MemoryHistory
from tests.unit.model.pasts import TEST, day, row
from tests.unit.steps.judging import named, night_row, past, report, verdicts


def test_every_bad_test_and_every_mended_one_has_a_verdict():
    history = past(
        {"a.py::new": "..F", "a.py::old": ".FF", "a.py::mended": "FF.", "a.py::good": "...", "a.py::x": "..x"}
    )
    judgement = judge(report(2), history, Rules())
    assert verdicts(judgement) == {
        "a.py::new": "new",
        "a.py::old": "recurring",
        "a.py::mended": "fixed",
        "a.py::x": "flaky",
    }
    assert (judgement.compared_with, judgement.known_nights) == (day(1), 2)
    assert [len(one.tests) for one in judgement.incidents] == [2]


def test_a_judgement_makes_no_red_stage_green_and_fills_its_failures():
    bad = stage(failures=(failure(TEST.node_id, "KeyError: 'usage'"),), status="failed")
    judged = with_judgement(report(2, bad), judge(report(2, bad), past({TEST.node_id: ".FF"}), Rules()))
    (told,) = judged.stages[0].failures
    assert (told.verdict, told.since) == ("recurring", day(1))
    assert told.incident == judged.incidents[0]["id"]
    assert judged.stages[0].status.value == "failed"


def test_a_failure_that_is_not_remembered_yet_is_judged_by_its_report():
    bad = stage(failures=(failure(TEST.node_id, "KeyError: 'usage'"),), status="failed")
    judgement = judge(report(2, bad), past({TEST.node_id: ".."}), Rules())
    assert verdicts(judgement) == {TEST.node_id: "new"}


def test_a_test_that_was_mended_while_its_stage_did_not_run_is_fixed():
    assert verdicts(judge(report(5), past({"a.py::a": ".F---.", "a.py::b": "......"}), Rules())) == {
        "a.py::a": "fixed"
    }


def test_a_past_night_is_judged_without_what_came_later():
    history = past({"a.py::a": "..FF.FFF", "a.py::b": "........"})
    assert verdicts(judge(report(2), history, Rules())) == {"a.py::a": "new"}
    assert verdicts(judge(report(4), history, Rules())) == {"a.py::a": "fixed"}
    assert judge(report(4), history, Rules()).known_nights == 4


def test_nights_of_another_engine_are_no_past():
    history = past({"a.py::a": ".."}, engine_kind="real")
    history.write(night_row(2), [], [row("F", 2, test=named("a.py::a"))])
    judgement = judge(report(2), history, Rules())
    assert verdicts(judgement) == {"a.py::a": "unknown"}


def test_a_first_night_has_nothing_to_be_compared_with():
    judgement = judge(report(0), past({"a.py::a": "F"}), Rules())
    assert (judgement.compared_with, judgement.known_nights, verdicts(judgement)) == (
        None,
        0,
        {"a.py::a": "unknown"},
    )


def test_a_report_of_one_run_knows_nothing_of_a_later_one_of_that_night():
    history = past({"a.py::a": ".F"})
    later = row(
        ".", 1, test=named("a.py::a"), run_id="again", finished_at=datetime(2026, 11, 2, 20, tzinfo=UTC)
    )
    history.write(night_row(1, run_id="again"), [], [later])
    assert verdicts(judge(report(1), history, Rules())) == {"a.py::a": "new"}


def test_a_renamed_test_keeps_its_past():
    history = past({"old.py::test_a[1]": ".F-", "new.py::test_a[1]": "--F", "b.py::b": "..."})
    (found,) = judge(report(2), history, Rules()).verdicts
    assert (found.verdict, found.since, found.test.node_id) == (
        Verdict.RECURRING,
        day(1),
        "new.py::test_a[1]",
    )
    assert "old.py::test_a[1]" in found.why


def test_a_test_renamed_in_its_file_is_known_by_its_error():
    history = past({"a.py::test_old": ".F-", "a.py::test_new": "--F", "b.py::b": "..."})
    (found,) = judge(report(2), history, Rules()).verdicts
    assert (found.verdict, found.since) == (Verdict.RECURRING, day(1))


def test_a_new_test_is_not_taken_for_one_of_two_that_are_gone():
    history = past({"a.py::one": ".F-", "a.py::two": ".F-", "a.py::three": "--F", "b.py::b": "..."})
    assert verdicts(judge(report(2), history, Rules())) == {"a.py::three": "unknown"}


def test_quarantined_failures_are_shown_apart_with_their_owner():
    entry = QuarantineEntry(
        test="a.py::a",
        owner="@kv",
        reason="races",
        issue="#217",
        since=date.fromisoformat(day(0)),
        expires=date.fromisoformat(day(9)),
    )
    rules = Rules(quarantine=Quarantine(entries=(entry,)))
    judgement = judge(report(2), past({"a.py::a": "..F", "a.py::b": "..F"}), rules)
    found = {one.test.node_id: one for one in judgement.verdicts}
    assert found["a.py::a"].verdict is Verdict.QUARANTINED
    assert found["a.py::a"].owners == ("@kv",)
    assert "without it new" in found["a.py::a"].why
    assert [one.verdict.value for one in judgement.incidents] == ["new", "quarantined"]
    assert [(note.state, note.failing) for note in judgement.quarantine] == [("active", 1)]


def test_how_much_is_read_is_bounded_where_very_much_is_bad(monkeypatch):
    monkeypatch.setattr(judged_past, "MOST_ROWS", 100)
    monkeypatch.setattr(judged_past, "FEWEST_NIGHTS", 3)
    history = past({f"a.py::t{at}": "." + "F" * 39 for at in range(40)})
    asked: list[tuple[int, str | None]] = []
    of_tests = history.of_tests
    history.of_tests = lambda tests, **dates: (
        asked.append((len(tests), dates["since"])),
        of_tests(tests, **dates),
    )[1]
    found = judge(report(39), history, Rules()).verdicts
    assert {one.verdict for one in found} == {Verdict.RECURRING}
    assert all(since is not None for _, since in asked)


def test_a_failure_that_lasts_longer_than_the_window_is_followed_to_its_beginning():
    history = past({"a.py::a": "." * 5 + "F" * 60, "a.py::b": "." * 65})
    (found,) = judge(report(64), history, Rules()).verdicts
    assert (found.since, found.nights, found.last_good) == (day(5), 60, day(4))


def test_a_history_that_cannot_be_read_is_an_error():
    history = MemoryHistory(refusal=EnvironmentNotReady("gone"))
    with pytest.raises(EnvironmentNotReady):
        judge(report(0), history, Rules())


def test_an_entry_of_the_quarantine_is_not_called_a_misspelling_where_its_stage_did_not_run():
    entry = QuarantineEntry(
        test="e2e/a.py::test_away", owner="@a", reason="r", issue="#1",
        since=date.fromisoformat(day(0)), expires=date.fromisoformat(day(9)),
    )  # fmt: skip
    rules, history = Rules(quarantine=Quarantine(entries=(entry,))), past({"unit/a.py::test_x": ".."})

    def state(*stages, **fields) -> str:
        return judge(report(1, *stages, **fields), history, rules).quarantine[0].state

    assert state(stage(status="passed")) == "unmatched"
    assert state(stage(status="passed"), stage(stage="e2e_single_gpu", status="infra_error")) == "active"
    run = run_facts(run_id="run-1", date=day(1), partial=True)
    part = night(stages=[stage(status="passed")], date=day(1), runs=(run,))
    assert part.partial
    assert judge(part, history, rules).quarantine[0].state == "active"
