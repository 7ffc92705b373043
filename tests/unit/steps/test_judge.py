from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.model.baseline import Thresholds
from nightly_pipeline.model.history import EntryRow, NightRow, TestIdentity
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.owners import parse_owners
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry
from nightly_pipeline.model.report import with_judgement
from nightly_pipeline.steps import judged_past
from nightly_pipeline.steps.judge import Rules, judge
from tests.factories import failure, image, night, publication, run_facts, stage
from tests.fakes.history import MemoryHistory
from tests.unit.model.pasts import TEST, day, row


def named(name: str) -> TestIdentity:
    return TestIdentity(**{**TEST.model_dump(), "node_id": name})


def past(rows: dict[str, str], **fields) -> MemoryHistory:
    """A history of tests drawn: name -> one sign a night."""
    history = MemoryHistory()
    for number in range(max(len(signs) for signs in rows.values())):
        tests = [
            row(signs[number], number, test=named(name), **fields)
            for name, signs in rows.items()
            if number < len(signs) and signs[number] != "-"
        ]
        history.write(night_row(number), [], tests)
    return history


def night_row(number: int, **fields) -> NightRow:
    given = {
        "date": day(number),
        "run_id": f"run-{number}",
        "status": "red",
        "engine_kind": "mock",
        "profile": "local",
        "partial": False,
    }
    return NightRow(**{**given, **fields})


def report(number: int, *stages, **fields):
    run = run_facts(run_id=f"run-{number}", date=day(number))
    return night(stages=stages, date=day(number), runs=(run,), **fields)


def verdicts(judgement) -> dict[str, str]:
    return {one.test.node_id: one.verdict.value for one in judgement.verdicts}


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


def test_one_error_on_last_nights_image_speaks_for_the_tests_that_were_not_repeated():
    history = past({f"a.py::t{at}": ".F" for at in range(4)})
    checked = row("F", 1, test=named("a.py::t0"), source="previous_image", image_digest="sha256:0")
    history.add([checked], date=day(1), run_id="run-1", part="confirmation")
    judgement = judge(report(1), history, Rules())
    assert set(verdicts(judgement).values()) == {"environment"}
    assert judgement.incidents[0].verdict is Verdict.ENVIRONMENT


def test_one_test_that_is_good_on_last_nights_image_clears_the_environment():
    history = past({f"a.py::t{at}": ".F" for at in range(3)})
    fields = {"source": "previous_image", "image_digest": "sha256:0"}
    checked = [row(sign, 1, test=named(f"a.py::t{at}"), **fields) for at, sign in enumerate("F.")]
    history.add(checked, date=day(1), run_id="run-1", part="confirmation")
    assert verdicts(judge(report(1), history, Rules()))["a.py::t2"] == "new"


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


def test_owners_are_asked_about_tests_and_incidents():
    owners = parse_owners("/suite/a.py @a\n/suite/b.py @b\n", file="f", suite="suite")
    judgement = judge(
        report(1), past({"a.py::a": ".F", "b.py::b": ".F", "b.py::c": ".F"}), Rules(owners=owners)
    )
    assert judgement.incidents[0].owners == ("@b", "@a")
    assert judgement.verdicts[0].owners == ("@a",)


def test_a_stage_that_ended_badly_without_a_failed_test_is_an_incident():
    gone = {"status": "infra_error", "message": "the runner at 10.0.0.7:2376 did not answer within 30 s"}
    stages = [
        stage("vllm", **gone),
        stage("sglang", **{**gone, "message": gone["message"].replace("7:", "9:")}),
    ]
    history = past({"a.py::a": "..."})
    old = EntryRow(
        date=day(1),
        run_id="run-1",
        framework="vllm",
        arch="amd64",
        name="unit",
        status="infra_error",
        good=False,
    )
    history.write(night_row(1), [old], [])
    (incident,) = judge(report(2, *stages), history, Rules()).incidents
    assert (incident.tests, len(incident.cells)) == ((), 2)
    assert (incident.verdict, incident.since, incident.nights) == (Verdict.ENVIRONMENT, day(1), 2)


@pytest.mark.parametrize(
    ("before", "verdict", "since"),
    [
        (("built", "built"), Verdict.NEW, 2),
        (("built", "failed"), Verdict.RECURRING, 1),
        (("failed", "failed"), Verdict.RECURRING, 0),
        ((), Verdict.UNKNOWN, 2),
    ],
)
def test_an_image_that_cannot_be_built_is_an_incident_that_knows_since_when(before, verdict, since):
    history = past({"a.py::a": "..."})
    for number, status in enumerate(before):
        built = {
            "run_id": f"run-{number}",
            "name": "runtime_image",
            "status": status,
            "good": status == "built",
        }
        row_of_it = EntryRow(
            date=day(number), framework="vllm", arch="arm64", source_revision=f"commit-{number}", **built
        )
        history.write(night_row(number), [row_of_it], [])
    message = "[runtime 4/9] RUN uv pip install vllm: No matching distribution found"
    broken = image(arch="arm64", status="failed", message=message, date=day(2))
    tonight = night(images=(broken,), date=day(2), runs=(run_facts(run_id="run-2", date=day(2)),))
    (incident,) = judge(tonight, history, Rules()).incidents
    assert (incident.tests, incident.cells) == ((), (("vllm", "arm64"),))
    assert (incident.verdict, incident.since, incident.nights) == (verdict, day(since), 3 - since)
    good = [number for number, status in enumerate(before) if status == "built"]
    assert incident.last_good == (day(good[-1]) if good else None)
    assert incident.last_good_revision == (f"commit-{good[-1]}" if good else None)
    assert incident.first_bad_revision == (tonight.source_revision if since == 2 else f"commit-{since}")


def test_the_owners_of_a_dockerfile_are_asked_about_its_images_alone():
    owners = parse_owners(
        "/docker/ @images\n/docker/vllm/ @kv\n/docker/suite/ @tests\n", file="f", suite="docker/suite"
    )
    rules = Rules(
        owners=owners, dockerfiles={"vllm": "docker/vllm/Dockerfile", "sglang": "docker/x/Dockerfile"}
    )
    broken = image("vllm", status="failed", message="exit code 1", date=day(0))
    other = image("sglang", status="failed", message="no space left", date=day(0))
    unknown = image("trtllm", status="failed", message="no such file", date=day(0))
    gone = stage("vllm", status="infra_error", message="no GPU", date=day(0))
    tonight = night(images=(broken, other, unknown), stages=(gone,), date=day(0))
    asked = {one.message: one.owners for one in judge(tonight, MemoryHistory(), rules).incidents}
    assert asked == {"exit code 1": ("@kv",), "no space left": ("@images",), "no such file": (), "no GPU": ()}


def test_a_multi_arch_index_of_no_cell_is_no_incident():
    index = publication(arch=None, status="failed", message="a platform is missing", date=day(2))
    tonight = night(publications=(index,), date=day(2), runs=(run_facts(run_id="run-2", date=day(2)),))
    assert judge(tonight, past({"a.py::a": "..."}), Rules()).incidents == ()


@pytest.mark.parametrize("status", ["blocked", "cancelled", "not_run", "passed"])
def test_a_stage_that_is_not_to_blame_is_no_incident(status):
    judgement = judge(
        report(1, stage(status=status, message="its image is not there")), past({"a.py::a": ".."}), Rules()
    )
    assert judgement.incidents == ()


def _entries(number: int, *, seconds: float) -> list[EntryRow]:
    shared = {
        "date": day(number),
        "run_id": f"run-{number}",
        "framework": "vllm",
        "arch": "amd64",
        "good": True,
    }
    return [
        EntryRow(**shared, name="unit", status="passed", duration_s=seconds),
        EntryRow(
            **shared,
            name="runtime_image",
            status="built",
            build_wall_s=seconds,
            size_bytes=int(seconds * 1e7),
            build_steps=json.dumps({"RUN make": seconds / 10, "COPY": 1.0}),
        ),
    ]


def _nights_of(seconds: list[float]) -> MemoryHistory:
    history, began = MemoryHistory(), datetime(2026, 11, 1, 8, tzinfo=UTC)
    for number, value in enumerate(seconds):
        ended = began + timedelta(seconds=value * 3)
        tests = [row(".", number, duration_s=value / 10)]
        times = {"started_at": began, "ended_at": ended}
        history.write(night_row(number, **times), _entries(number, seconds=value), tests)
    return history


def test_what_moved_is_told_with_what_is_usual():
    judgement = judge(report(10), _nights_of([600.0] * 9 + [1_300.0] * 2), Rules())
    assert {(one.what, one.name) for one in judgement.drifts} == {
        ("night", ""),
        ("stage", ""),
        ("build", "runtime_image"),
        ("image_size", "runtime_image"),
        ("build_step", "RUN make"),
        ("test", TEST.node_id),
    }
    told = next(one for one in judgement.drifts if one.what == "stage")
    assert (told.value, told.usual, told.nights, told.stage) == (1_300.0, 600.0, 10, "unit")


def test_tests_that_went_alike_are_told_apart_by_their_durations():
    history, usual = MemoryHistory(), {"a.py::a": 20.0, "a.py::b": 30.0, "a.py::c": 40.0}
    for number in range(11):
        slow = {"a.py::b": 90.0} if number > 8 else {}  # for two nights
        tests = [
            row(".", number, test=named(one), duration_s=took) for one, took in {**usual, **slow}.items()
        ]
        history.write(night_row(number), [], tests)
    (moved,) = judge(report(10), history, Rules()).drifts
    assert (moved.name, moved.value, moved.usual) == ("a.py::b", 90.0, 30.0)


def test_what_did_not_move_or_is_not_known_for_long_is_not_told():
    assert judge(report(9), _nights_of([600.0] * 10), Rules()).drifts == ()
    assert judge(report(3), _nights_of([600.0] * 3 + [1_300.0]), Rules()).drifts == ()
    strict = Rules(thresholds=Thresholds(at_least=3))
    assert judge(report(3), _nights_of([600.0] * 3 + [1_300.0]), strict).drifts


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


def test_steps_of_builds_are_put_side_by_side_across_nights_on_which_they_were_cached_or_not_kept():
    """By what is remembered alone: no artifact of any of these nights is there."""
    history = MemoryHistory()
    for number in range(25):
        built, slow = number % 2 == 0 or number == 24, number == 24
        text = {"RUN make": 300.0 if slow else 100.0, "RUN once": 5.0 if number else 500.0}
        steps = json.dumps(text if built else {})
        image = _entries(number, seconds=600.0)[1].model_copy(update={"build_steps": steps})
        history.write(night_row(number), [image], [row(".", number)])
    (told,) = judge(report(24), history, Rules()).drifts
    assert (told.what, told.name, told.value, told.usual, told.nights) == (
        "build_step", "RUN make", 300.0, 100.0, 12,
    )  # fmt: skip


def test_steps_of_a_build_that_was_reused_or_failed_tonight_have_not_moved():
    for status in ("reused", "failed"):
        history = _nights_of([600.0] * 9)
        image = _entries(9, seconds=6_000.0)[1].model_copy(
            update={"status": status, "good": status == "reused"}
        )
        history.write(night_row(9), [image], [row(".", 9)])
        assert [one for one in judge(report(9), history, Rules()).drifts if one.what == "build_step"] == []


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
