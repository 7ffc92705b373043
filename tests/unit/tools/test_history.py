from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightly_pipeline.model.history import EntryRow, NightRow, TestIdentity, TestResult, TestRow
from nightly_pipeline.tools.history import ParquetHistory
from tests.history_rows import DAY, NEXT, entry, night, row


@pytest.fixture
def history(tmp_path) -> ParquetHistory:
    return ParquetHistory(tmp_path / "history")


def test_an_empty_history_answers_with_nothing(history):
    identity = row().identity
    assert history.nights() == history.entries() == history.tests(DAY) == history.of_tests([identity]) == []
    assert history.bad_tests(since="2026-11-13", until=DAY) == []
    assert history.problems() == []


def test_what_is_written_is_read_back_whole(history):
    tests = [
        row("a", TestResult.FAILED, message="line\none", signature="E", attempts=3, failed_attempts=3),
        row("b", finished_at=datetime(2026, 11, 20, 9, 30, 0, 123456, UTC), engine_kind="real"),
    ]
    entries = [
        entry("unit", passed=1, failed=1),
        entry("multi_arch_image", arch=None, size_bytes=5, cache_hit_rate=0.5),
    ]
    history.write(night(), entries, tests)
    assert history.tests(DAY) == tests
    assert history.entries() == entries
    assert history.nights() == [night()]


def test_a_run_written_again_takes_its_own_place(history):
    history.write(night(), [], [row("a", TestResult.FAILED), row("b")])
    history.write(night(status="green"), [], [row("a")])
    assert history.tests(DAY) == [row("a")]
    assert [one.status for one in history.nights()] == ["green"]


def test_runs_of_one_night_stand_side_by_side(history):
    history.write(night(), [], [row("a")])
    history.write(night(run_id="two"), [], [row("a", run_id="two")])
    assert [one.run_id for one in history.tests(DAY)] == ["one", "two"]
    assert history.tests(DAY, run_id="two") == [row("a", run_id="two")]


def test_parts_are_added_and_replaced_by_name(history):
    history.write(night(), [], [row("a")])
    again = row("a", TestResult.FAILED, source="confirmation")
    history.add([again], date=DAY, run_id="one", part="confirmation")
    history.add([again], date=DAY, run_id="one", part="confirmation")
    assert history.tests(DAY) == [again, row("a")]  # parts by name
    history.write(night(), [], [row("a")])
    assert again in history.tests(DAY), "a summary that is repeated does not forget what was confirmed"


def test_the_nights_own_part_is_not_to_be_added(history):
    with pytest.raises(ValueError, match="night"):
        history.add([row()], date=DAY, run_id="one", part="night")


@pytest.mark.parametrize("other", [{"date": NEXT}, {"run_id": "two"}])
def test_rows_of_another_run_are_refused(history, other):
    with pytest.raises(ValueError, match="among those"):
        history.write(night(), [], [row("a", **other)])
    assert history.nights() == []


@pytest.mark.parametrize(
    ("date", "run_id"), [("2026-13-01", "one"), ("20261120", "one"), (DAY, ""), (DAY, "r" * 300)]
)
def test_what_makes_no_file_name_is_refused(history, date, run_id):
    with pytest.raises(ValueError):  # noqa: PT011 - of the date parser or ours
        history.write(night(date=date, run_id=run_id), [], [])


def test_a_tests_rows_come_together_and_in_order(history):
    for day in (NEXT, DAY):
        history.write(night(date=day), [], [row(name, date=day) for name in ("b", "a")])
    found = history.of_tests([row("b").identity, row("a").identity])
    assert [(one.node_id, one.date) for one in found] == [("a", DAY), ("a", NEXT), ("b", DAY), ("b", NEXT)]
    assert [one.date for one in history.of_tests([row("a").identity], since=NEXT)] == [NEXT]
    assert [one.date for one in history.of_tests([row("a").identity], until=DAY)] == [DAY]


def test_a_test_is_told_apart_by_all_of_its_identity(history):
    tests = [row("a"), row("a", framework="sglang"), row("a", arch="arm64"), row("a", stage="integration")]
    history.write(night(), [], tests)
    for one in tests:
        assert history.of_tests([one.identity]) == [one]


@pytest.mark.parametrize("count", [2, 300])
def test_many_tests_are_asked_for_at_once(history, count):
    tests = [row(f"t{number:03}") for number in range(400)]
    history.write(night(), [], tests)
    assert history.of_tests([one.identity for one in tests[:count]]) == tests[:count]


def test_only_the_bad_ones(history):
    tests = [row(result.value, result) for result in TestResult]
    history.write(night(), [], tests)
    assert {one.node_id for one in history.tests(DAY, bad_only=True)} == {"failed", "error", "crashed"}


def test_the_bad_tests_of_some_nights_are_known(history):
    days = ["2026-11-17", "2026-11-18", "2026-11-19", DAY]
    bad = {"2026-11-17": "old", "2026-11-19": "yesterday", DAY: "tonight"}
    for day in days:
        names = ("old", "yesterday", "tonight", "good")
        results = {name: TestResult.FAILED for name in names if bad.get(day) == name}
        history.write(
            night(date=day), [], [row(name, results.get(name, TestResult.PASSED), date=day) for name in names]
        )
    of = [one.node_id for one in history.bad_tests(since="2026-11-19", until=DAY)]
    assert of == ["tonight", "yesterday"]
    assert [one.node_id for one in history.bad_tests(since="2026-11-16", until="2026-11-18")] == ["old"]


def test_of_a_nights_entries_the_newest_counts(history):
    history.write(
        night(run_id="one", started_at=datetime(2026, 11, 20, 8, tzinfo=UTC)), [entry("unit", "failed")], []
    )
    later = night(run_id="two", started_at=datetime(2026, 11, 20, 11, tzinfo=UTC))
    history.write(later, [entry("unit", "passed", run_id="two")], [])
    assert [one.status for one in history.entries()] == ["passed"]


def test_what_never_began_does_not_hide_an_older_result(history):
    history.write(
        night(run_id="one", started_at=datetime(2026, 11, 20, 8, tzinfo=UTC)), [entry("unit", "passed")], []
    )
    later = night(run_id="two", started_at=datetime(2026, 11, 20, 11, tzinfo=UTC))
    history.write(later, [entry("unit", "blocked", run_id="two", seen=False)], [])
    assert [one.status for one in history.entries()] == ["passed"]


_TEXT = st.text(max_size=40)
_ROWS = st.builds(
    TestRow,
    date=st.just(DAY),
    run_id=st.just("one"),
    framework=_TEXT,
    arch=_TEXT,
    stage=_TEXT,
    node_id=_TEXT,
    attempts=st.integers(0, 100),
    duration_s=st.floats(0, 1e9),
    signature=st.none() | _TEXT,
    message=st.none() | _TEXT,
    finished_at=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


@given(st.lists(_ROWS, max_size=5, unique_by=lambda one: one.identity))
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
def test_any_row_survives(tmp_path, rows):
    shutil.rmtree(tmp_path / "any", ignore_errors=True)
    history = ParquetHistory(tmp_path / "any")
    history.write(night(), [], rows)
    assert {one.identity: one for one in history.tests(DAY)} == {one.identity: one for one in rows}
    for one in rows[:1]:
        assert history.of_tests([one.identity]) == [one]


def test_text_that_no_file_can_hold_is_kept_readable(history):
    history.write(night(), [], [row("\ud800")])
    assert history.tests(DAY)[0].node_id == "\\ud800"


@pytest.mark.parametrize("name", ["[a]*?", "it's", "a b", "é"])
def test_any_folder_will_do(tmp_path, name):
    history = ParquetHistory(tmp_path / name)
    history.write(night(run_id="run, 1/2"), [], [row(run_id="run, 1/2")])
    assert history.tests(DAY)[0].run_id == "run, 1/2"


def test_an_instant_without_a_zone_is_utc(history):
    history.write(night(), [], [row(finished_at=datetime(2026, 11, 20, 9))])  # noqa: DTZ001
    assert history.tests(DAY)[0].finished_at == datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_instants_are_utc_wherever_the_machine_is(history, monkeypatch):
    history.write(night(), [], [row(finished_at=datetime(2026, 11, 20, 1, tzinfo=UTC))])
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        assert str(history.tests(DAY)[0].finished_at) == "2026-11-20 01:00:00+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_older_file_lacks_a_newer_column(history, tmp_path):
    history.write(night(), [], [row("a")])
    file = next(tmp_path.rglob("*.parquet"))
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["attempts", "message"]), file)
    history.write(night(date=NEXT), [], [row("a", date=NEXT, attempts=2)])
    found = history.of_tests([row("a").identity])
    assert [one.attempts for one in found] == [1, 2], "the field's default stands for what was not written"


def test_steps_of_builds_are_known_beside_nights_that_were_remembered_without(history, tmp_path):
    history.write(night(), [entry("runtime_image")], [])
    file = next(tmp_path.rglob("*.parquet"))
    pq.write_table(pq.read_table(file).drop_columns(["build_steps"]), file)
    history.write(night(date=NEXT), [entry("runtime_image", date=NEXT, build_steps='{"RUN make": 1.5}')], [])
    assert [one.step_seconds for one in history.entries()] == [{}, {"RUN make": 1.5}]
    history.pack(before="2027-01-01")
    assert [one.step_seconds for one in history.entries()] == [{}, {"RUN make": 1.5}]


class TestDamage:
    @pytest.fixture
    def two(self, history, tmp_path):
        history.write(night(), [], [row("a")])
        history.write(night(date=NEXT), [], [row("a", date=NEXT)])
        return sorted(tmp_path.rglob("*.parquet"))

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"\0" * 5000])
    def test_a_file_that_is_none_is_left_out_and_named(self, history, two, content):
        two[0].write_bytes(content)
        assert [one.date for one in history.of_tests([row("a").identity])] == [NEXT]
        assert [problem.path for problem in history.problems()] == [two[0]]
        assert "damaged" in str(history.problems()[0])

    def test_a_truncated_file_is_left_out_and_named(self, history, two):
        two[0].write_bytes(two[0].read_bytes()[:-200])
        assert [one.date for one in history.nights()] == [NEXT]
        assert [problem.path for problem in history.problems()] == [two[0]]

    def test_damage_within_pages_is_found_by_the_query_or_by_a_thorough_look(self, history, two):
        content = bytearray(two[0].read_bytes())
        content[4 : len(content) // 2] = b"\xff" * (len(content) // 2 - 4)
        two[0].write_bytes(content)
        assert [one.date for one in history.of_tests([row("a").identity])] == [NEXT]
        assert [problem.path for problem in history.problems(thorough=True)] == [two[0]]

    def test_a_flipped_byte_is_found_or_changes_nothing(self, history, two):
        sound = two[0].read_bytes()
        rows = history.tests(DAY)
        found = 0
        pages = (
            len(sound) - 8 - int.from_bytes(sound[-8:-4], "little")
        )  # the footer comes last, without a checksum
        for place in range(4, pages, 37):
            damaged = bytearray(sound)
            damaged[place] ^= 0x10
            two[0].write_bytes(damaged)
            again = ParquetHistory(two[0].parents[1])
            if again.problems(thorough=True):
                assert [problem.path for problem in again.problems()] == [two[0]]
                assert again.tests(DAY) == []
                found += 1
            else:  # statistics in a page's header, say
                assert again.tests(DAY) == rows
        assert found

    def test_a_mended_file_counts_again(self, history, two):
        sound = two[0].read_bytes()
        two[0].write_bytes(b"")
        assert len(history.nights()) == 1
        two[0].write_bytes(sound)
        assert len(history.nights()) == 2
        assert history.problems() == []

    def test_a_foreign_file_is_named(self, history, two):
        pq.write_table(pa.table({"a": [1]}), two[0])
        (two[0].parent / "notes.txt").write_text("hello")
        assert len(history.nights()) == 1
        assert {problem.path.name for problem in history.problems()} == {two[0].name, "notes.txt"}

    def test_a_file_of_a_newer_version_is_named(self, history, two):
        table = pq.read_table(two[0])
        pq.write_table(table.replace_schema_metadata({b"nightly.history": b"2"}), two[0])
        assert len(history.nights()) == 1
        assert "version 2" in str(history.problems()[0])


def test_every_row_class_reads_its_own_columns(history):
    history.write(night(), [entry("unit")], [row("a")])
    assert [type(one) for one in (*history.nights(), *history.entries(), *history.tests(DAY))] == [
        NightRow, EntryRow, TestRow,
    ]  # fmt: skip
    assert isinstance(history.tests(DAY)[0].result, TestResult)
    assert isinstance(history.tests(DAY)[0].identity, TestIdentity)
