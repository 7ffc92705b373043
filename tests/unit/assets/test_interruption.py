"""A run that the command executes and that is sent a signal: cancelled on record, however slow the record is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._utils.error import SerializableErrorInfo

from nightly_pipeline.assets.interruption import interrupts_steps
from nightly_pipeline.assets.launch import Launch, execute_night, launched_run

SIGNAL = "SIGNAL_OF_THE_TEST"


@dg.asset
def source_revision() -> None:
    """A step that its run's process is interrupted in; the child of that process."""
    os.kill(os.getppid(), int(os.environ[SIGNAL]))
    time.sleep(600)


def job() -> dg.JobDefinition:
    selected = dg.define_asset_job("job", executor_def=dg.multiprocess_executor)
    return dg.Definitions(assets=[source_revision], jobs=[selected]).resolve_job_def("job")


def quiet_instance(folder: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}})


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """Dagster leaves SIGTERM to the handler of SIGINT."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def launch() -> Launch:
    return Launch(date="2026-11-20", keys=[], profile="local")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_cancelled_though_the_record_of_the_wish_takes_its_time(
    number: signal.Signals, launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = dg.DagsterInstance.report_run_canceling

    def slowly(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str | None = None) -> None:
        time.sleep(3)
        record(instance, run, message)

    monkeypatch.setenv(SIGNAL, str(int(number)))
    monkeypatch.setattr(dg.DagsterInstance, "report_run_canceling", slowly)
    with quiet_instance(tmp_path) as instance:
        execute_night(instance, launch, job)
        assert launched_run(instance, launch).status is dg.DagsterRunStatus.CANCELED


def test_an_interruption_before_any_step_leaves_the_run_cancelled(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nightly_pipeline.assets.launch.execute_run_iterator", interrupted)
    with quiet_instance(tmp_path) as instance:
        with pytest.raises(KeyboardInterrupt):
            execute_night(instance, launch, job)
        assert launched_run(instance, launch).status is dg.DagsterRunStatus.CANCELED


@pytest.mark.parametrize(
    ("error", "heeded"),
    [(None, True), (SerializableErrorInfo("out of memory", [], "MemoryError"), False)],
    ids=["signal", "defect"],
)
def test_steps_that_are_ended_for_a_defect_were_not_interrupted(
    error: SerializableErrorInfo | None, *, heeded: bool
) -> None:
    ending = EngineEventData({"steps_interrupted": "['vllm__amd64__unit_tests']"}, error)
    event = dg.DagsterEvent("ENGINE_EVENT", "job", event_specific_data=ending)
    assert interrupts_steps(event) is heeded
    assert not interrupts_steps(None)
