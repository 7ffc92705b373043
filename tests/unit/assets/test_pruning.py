from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pyarrow.parquet as pq
import pytest

from nightly_pipeline.assets.naming import RUN_DATE_TAG
from nightly_pipeline.assets.pruning import artifact_retention, artifact_schedule, nights_run_since
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.settings import load_settings
from nightly_pipeline.stores import open_artifacts, open_history
from tests.clock import days_ago
from tests.history_rows import night, row


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTLY_HOME", str(tmp_path))
    return load_settings("local")


def run(*before: dg.DagsterRun) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        for one in before:
            instance.add_run(one)
        return artifact_retention.execute_in_process(
            instance=instance, resources={"workplace": Workplace(profile="local")}, raise_on_error=False
        )


def test_artifacts_go_and_the_history_stays(settings):
    store, history = open_artifacts(settings), open_history(settings)
    for day in (days_ago(70), days_ago(0)):
        store.write(f"{day}/run/a", b"")
        history.write(night(date=day), [], [row(date=day)])
    assert run().success
    assert [one.isoformat() for one in store.dates()] == [days_ago(0)]
    assert [one.date for one in history.nights()] == [days_ago(70), days_ago(0)]
    assert list(settings.history_root.rglob("whole,*.parquet"))


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS])
def test_a_past_night_that_runs_or_ran_today_keeps_its_artifacts(settings, status):
    store = open_artifacts(settings)
    other = days_ago(71)
    for day in (other, days_ago(70)):
        store.write(f"{day}/run/a", b"")
    backfill = dg.DagsterRun(job_name="nightly", status=status, tags={RUN_DATE_TAG: days_ago(70)})
    assert run(backfill).success
    assert [one.isoformat() for one in store.dates()] == [days_ago(70)]


def test_only_runs_since_then_and_those_that_go_on_count():
    today = datetime.now(UTC).date()
    with dg.DagsterInstance.ephemeral() as instance:
        for day, status in (
            ("2025-12-01", dg.DagsterRunStatus.SUCCESS),
            ("2025-12-02", dg.DagsterRunStatus.STARTED),
            ("", dg.DagsterRunStatus.STARTED),
            ("no date", dg.DagsterRunStatus.STARTED),
        ):
            tags = {RUN_DATE_TAG: day} if day else {}
            instance.add_run(dg.DagsterRun(job_name="nightly", status=status, tags=tags))
        assert nights_run_since(instance, today) == {date(2025, 12, 1), date(2025, 12, 2)}
        assert nights_run_since(instance, today + timedelta(days=2)) == {date(2025, 12, 2)}


def test_a_damaged_history_is_said_and_does_not_keep_artifacts(settings):
    store = open_artifacts(settings)
    store.write(f"{days_ago(70)}/run/a", b"")
    open_history(settings).write(night(date=days_ago(0)), [], [])
    next(settings.history_root.rglob("*.parquet")).write_bytes(b"")
    result = run()
    assert not result.success
    assert store.dates() == []


def test_a_page_of_the_history_that_is_damaged_is_said(settings):
    open_history(settings).write(night(date=days_ago(0)), [], [row(date=days_ago(0))])
    file = next(settings.history_root.rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    with pq.ParquetFile(file) as parquet:
        last = parquet.metadata.row_group(parquet.metadata.num_row_groups - 1)
        column = last.column(parquet.schema_arrow.names.index("node_id"))
    begin = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
    content[begin + column.total_compressed_size - 1] ^= 0x10
    file.write_bytes(content)
    assert not run().success


def test_it_runs_every_day_before_the_night(settings):
    schedule = artifact_schedule(settings)
    assert schedule.cron_schedule == "30 5 * * *"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
