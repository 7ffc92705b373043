"""What the nights before say of a report, in the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from nightly_pipeline.model.judgement import Judgement
from nightly_pipeline.model.report import with_judgement
from nightly_pipeline.model.untrusted import one_line
from nightly_pipeline.terminal import report_tables
from tests.factories import broken_night, failure, stage, whole_night
from tests.hostile import hostile_text
from tests.judged import judged_night, judgement, verdict
from tests.unit.terminal.screens import joined, screen


def test_what_is_new_stands_last_before_the_verdict() -> None:
    text = screen(report_tables(judged_night()), 120)
    places = [
        text.index(part)
        for part in (
            "Q quarantined, 1 test: known to be bad",
            "✓ fixed, 1 test: good tonight",
            "N new, 6 tests: good the last time they ran",
            "R incident, recurring  AssertionError",
            "N incident, new  RuntimeError: CUDA error",
            "Images        11 built, 1 failed",
            "Nightly 2026-11-20: red",
        )
    ]

    assert places == sorted(places)


def test_a_test_is_told_with_its_place_its_nights_its_owner_and_its_error() -> None:
    lines = [line.rstrip() for line in screen(report_tables(judged_night()), 120).splitlines()]

    first = lines.index("  tests/unit/test_radix_cache.py::test_evicts_the_oldest[lru-4096]")
    assert lines[first + 1] == "    sglang/amd64/unit ..._......FFFF since 2026-11-17 (4 nights)"
    assert lines[first + 2] == "    AssertionError: assert 4095 == 4096"
    assert "  6 tests, 2 cells, since tonight" in lines
    assert "  owner: @inference-runtime" in lines


def test_what_may_be_the_cause_stands_above_the_tests() -> None:
    text = screen(report_tables(judged_night()), 400)

    assert "Changed since 2026-11-19" in text
    assert "vllm/amd64 runtime image: base" in text
    assert "8.0 GB → 9.1 GB" in text
    assert text.index("Changed since") < text.index("Out of the usual range") < text.index("N new, 6 tests")


def test_an_entry_of_the_quarantine_that_counts_no_more_is_named() -> None:
    note = judgement().quarantine[0]
    expired = note.model_copy(update={"state": "expired", "test": "unit/test_old.py::test_x"})
    report = with_judgement(
        whole_night(), Judgement(quarantine=(note.model_copy(update={"state": "active"}), expired))
    )
    text = screen(report_tables(report), 120)
    assert "expired: unit/test_old.py::test_x" in text
    assert note.test not in text


def test_a_judged_test_is_listed_once() -> None:
    assert screen(report_tables(judged_night()), 120).count("test_keeps_emoji") == 1


def test_without_a_judgement_nothing_is_said_of_other_nights() -> None:
    text = screen(report_tables(broken_night()), 120)

    assert "incident" not in text
    assert "test_prefers_the_warm_worker" in text


def test_of_many_tests_some_are_shown_and_the_others_counted() -> None:
    names = [f"a.py::test_{number}" for number in range(40)]
    report = whole_night(stage(status="failed", failures=[failure(name) for name in names]))
    verdicts = tuple(verdict("vllm/amd64/unit", name, "new", "F") for name in names)
    text = screen(report_tables(with_judgement(report, Judgement(verdicts=verdicts))), 100)

    assert "30 more tests: see the page" in text


@pytest.mark.parametrize("width", [40, 80, 200])
@settings(max_examples=30, deadline=None)
@given(text=hostile_text.filter(one_line))
def test_no_text_escapes_at_any_width(width: int, text: str) -> None:
    incident = (
        judgement().incidents[0].model_copy(update={"title": text, "owners": (text,), "suspects": (text,)})
    )
    verdicts = (verdict("vllm/amd64/unit", text, "new", "F", owners=(text,)),)
    report = whole_night(stage(status="failed", failures=[failure(text, text)]))
    shown = screen(
        report_tables(with_judgement(report, Judgement(verdicts=verdicts, incidents=(incident,)))), width
    )

    assert joined(one_line(text))[:20] in joined(shown)
