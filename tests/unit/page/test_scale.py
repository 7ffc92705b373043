from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.page.charts import value_text
from nightly_pipeline.page.scale import scale_of, tick_text

UNITS = ("%", "s", "bytes")


@pytest.mark.parametrize("unit", UNITS)
@given(values=st.lists(st.floats(min_value=0.001, max_value=1e12), min_size=1))
def test_an_axis_holds_every_value_and_has_few_ticks(unit: str, values: list[float]) -> None:
    if unit == "%":
        values = [min(value, 100.0) for value in values]
    scale = scale_of(values, unit)

    assert scale.low <= min(values) * (1 + 1e-6)
    assert scale.high >= max(values) * (1 - 1e-6)
    assert 2 <= len(scale.ticks) <= 7
    assert scale.low < scale.high


@pytest.mark.parametrize("value", [100.0, 99.97, 0.0])
def test_a_pass_rates_axis_never_exceeds_a_hundred(value: float) -> None:
    assert scale_of([value], "%").high <= 100.0


def test_noise_does_not_look_like_a_mountain_range() -> None:
    scale = scale_of([600.0, 601.0], "s")

    assert scale.high - scale.low >= 120


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (99.5, "%", "99.5%"),
        (30, "s", "30 s"),
        (2400, "s", "40 min"),
        (3600, "s", "1 h"),
        (4800, "s", "1:20 h"),
        (6e9, "bytes", "6 GB"),
    ],
)
def test_ticks_are_short(value: float, unit: str, text: str) -> None:
    assert tick_text(value, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (100.0, "%", "100 %"),
        (99.999, "%", "99.99 %"),
        (12.0, "s", "12.0 s"),
        (245.0, "s", "4 min 5 s"),
        (2280.0, "s", "38.0 min"),
        (3599.0, "s", "1:00 h"),
        (4740.0, "s", "1:19 h"),
        (61_500_000.0, "bytes", "61.5 MB"),
    ],
)
def test_values_are_never_rounded_into_perfection(value: float, unit: str, text: str) -> None:
    assert value_text(value, unit) == text
