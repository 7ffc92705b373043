"""What took longer or grew larger than it usually does, and what did not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from nightly_pipeline.model.baseline import Thresholds
from nightly_pipeline.model.history import EntryRow
from nightly_pipeline.steps.judge import Rules, judge
from tests.fakes.history import MemoryHistory
from tests.unit.model.pasts import TEST, day, row
from tests.unit.steps.judging import named, night_row, report


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
