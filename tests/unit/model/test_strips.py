from __future__ import annotations

import pytest

from nightly_pipeline.model.history import TestResult
from nightly_pipeline.model.judgement import NightResult
from nightly_pipeline.model.strips import LEGEND, Square, square_of, strip_text, strip_words


def nights(*results: TestResult | None) -> tuple[NightResult, ...]:
    return tuple(
        NightResult(date=f"2026-11-{day:02}", result=one) for day, one in enumerate(results, start=1)
    )


@pytest.mark.parametrize("result", list(TestResult))
def test_every_result_has_a_square_and_only_a_good_one_looks_good(result: TestResult) -> None:
    [night] = nights(result)

    assert (square_of(night) is Square.PASSED) == (result.value in {"passed", "xfailed", "xpassed"})
    assert (square_of(night) is Square.FAILED) == (result.value in {"failed", "error", "crashed"})


def test_a_flake_is_one_whatever_its_last_attempt_said() -> None:
    assert square_of(NightResult(date="d", result=TestResult.PASSED, flaky=True)) is Square.FLAKY


def test_a_strip_is_a_letter_a_night_and_words_for_all() -> None:
    strip = nights(TestResult.PASSED, None, TestResult.SKIPPED, TestResult.FAILED)

    assert strip_text(strip) == "._sF"
    assert strip_words(strip[-1:]) == "1 night to 2026-11-04: 1 failed"
    assert (
        strip_words(strip)
        == "4 nights to 2026-11-04: 1 passed, 1 failed, 1 skipped or collected, 1 did not run"
    )
    assert strip_words(()) == ""
    assert all(square.value in LEGEND for square in Square)
