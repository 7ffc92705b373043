"""The records of promotions, and the reasons they carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nightly_pipeline.errors import UsageError
from nightly_pipeline.model.promotion import PromotedImage, PromotionRecord
from nightly_pipeline.steps.promote import checked_reason
from nightly_pipeline.steps.promotion_records import PromotionRecords
from tests.factories import DATE, RUN_ID, digest
from tests.fakes.store import MemoryStore


@pytest.fixture
def records() -> PromotionRecords:
    return PromotionRecords(MemoryStore())


def promotion(date: str = DATE, hours: int = 0, **fields) -> PromotionRecord:
    return PromotionRecord(
        **{
            "action": "promote",
            "automatic": True,
            "framework": "vllm",
            "date": date,
            "run_id": RUN_ID,
            "images": (PromotedImage(arch="amd64", platform="linux/amd64", digest=digest(date)),),
            "index_digest": digest("index", date),
            "registries": ("ecr", "acr"),
            "reason": "it passed",
            "who": "me",
            "when": datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(hours=hours),
            **fields,
        }
    )


def test_records_are_read_oldest_first_and_damaged_ones_count_for_nothing(records):
    first, second = promotion(), promotion("2026-11-21", 24)
    records.write(second)
    records.write(first)
    records.store.write("promotions/vllm/20990101T000000.000000Z-x.json", b"{")

    assert records.of("vllm") == [first, second]
    assert records.of("sglang") == []


def test_what_is_current_is_the_last_complete_one(records):
    first = promotion()
    records.write(first)
    records.write(promotion("2026-11-21", 24, complete=False))

    assert records.current("vllm") == first
    assert records.current("sglang") is None


def test_a_night_is_found_again_by_its_date(records):
    first, again = promotion(), promotion(hours=3, action="rollback")
    records.write(first)
    records.write(promotion("2026-11-21", 1))
    records.write(again)

    assert records.of_night("vllm", DATE) == again
    assert records.of_night("vllm", "2026-11-19") is None


def test_two_of_one_instant_both_stay(records):
    keys = {records.write(promotion()) for _ in range(3)}

    assert len(keys) == 3
    assert len(records.of("vllm")) == 3


def test_a_record_is_under_no_nights_folder(records):
    records.write(promotion())

    assert records.store.keys(DATE) == []
    assert records.store.dates() == []


# --- reasons


def test_a_reason_is_one_line_without_credentials():
    assert checked_reason("  leaks,\n see https://me:secret@example.org/1 ") == (
        "leaks, see https://***@example.org/1"
    )


@pytest.mark.parametrize("text", ["", "  \n", "x" * 501])
def test_a_reason_is_needed_and_short(text):
    with pytest.raises(UsageError, match="reason"):
        checked_reason(text)
