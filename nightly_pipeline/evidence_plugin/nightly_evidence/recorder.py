"""Hears pytest, and writes down what it says."""

from __future__ import annotations

import os
import platform
import traceback
from typing import Any

import pytest

from . import facts, reports
from .files import EvidenceFile
from .termination import TerminationGuard, stacks
from .texts import bounded, identity, one_line

SCHEMA = 1
CHUNK = 500  # collected tests a line
PHASES = ("setup", "call", "teardown")
RERUN = ("rerun", "retried")  # outcomes of pytest-rerunfailures and pytest-retry


class Recorder:
    """Hears pytest's hooks in the process that was started, and writes them down."""

    def __init__(self, path: str, config: Any) -> None:
        try:
            self.file = EvidenceFile(path)
        except OSError as error:
            raise pytest.UsageError(f"nightly_evidence cannot write {path}: {error}") from error
        self.session: Any = None
        self.attempts: dict[str, int] = {}  # of the tests that are running
        self.repeated: set[str] = set()  # those whose attempt failed and will be followed by another
        self.deselected = 0
        self.distributed = False
        self.terminated = False
        self._write_session(config)
        config.pluginmanager.register(self, "nightly-evidence-recorder")
        self._guard = TerminationGuard(self.on_terminated)

    def _write_session(self, config: Any) -> None:
        self.file.write(
            "session",
            schema=SCHEMA,
            python=platform.python_version(),
            pytest=pytest.__version__,
            machine=platform.machine(),
            platform=platform.platform(),
            pid=os.getpid(),
            args=[bounded(str(arg), 1000)[0] for arg in config.invocation_params.args],
            plugins=facts.plugins(config),
            gpus=facts.gpus(),
            image=facts.image_facts(),
        )

    # collection

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: Any) -> None:
        """Know whom to stop."""
        self.session = session

    def pytest_deselected(self, items: Any) -> None:
        """Count what the selection left out."""
        self.deselected += len(items)

    def pytest_collection_finish(self, session: Any) -> None:
        """Write down what will run. Not called where worker processes collect."""
        self._write_collected([reports.collected(item) for item in session.items], self.deselected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Any) -> None:
        """Every worker collects the same: the first one is written down, markers come with the reports."""
        if not self.distributed:
            self.distributed = True
            self._write_collected([{"node_id": identity(node_id)} for node_id in ids], None)

    def _write_collected(self, tests: list[dict[str, Any]], deselected: int | None) -> None:
        for start in range(0, len(tests), CHUNK):
            self.file.write("collected", tests=tests[start : start + CHUNK])
        self.file.write("collection", collected=len(tests), deselected=deselected)

    def pytest_collectreport(self, report: Any) -> None:
        """Write down what could not be collected, or skipped itself as a whole."""
        if report.failed:
            self._collect_error(report.nodeid, reports.message(report.longrepr), report.longreprtext)
        elif report.skipped:
            self.file.write(
                "collect_skip", node_id=identity(report.nodeid), message=reports.message(report.longrepr)
            )

    def conftest_failed(self, error: BaseException) -> None:
        """A conftest.py above the tests could not be loaded; pytest ends without a session."""
        cause = error.__cause__ or error
        text = "".join(traceback.format_exception(type(cause), cause, cause.__traceback__))
        where = str(getattr(error, "path", "")) or "(configuration)"
        self._collect_error(where, one_line(f"{type(cause).__name__}: {cause}"), text)

    def _collect_error(self, node_id: str, message: str | None, text: str) -> None:
        longrepr, cut = bounded(text, self.file.text_limit)
        self.file.write(
            "collect_error",
            node_id=identity(node_id),
            message=message,
            longrepr=longrepr,
            longrepr_cut=cut,
        )

    # tests

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Write down that a test starts, before anything of it can hang."""
        self._start(nodeid, **(reports.place(location) if self.distributed else {}))

    def _start(self, nodeid: str, **place: Any) -> None:
        if nodeid in self.repeated:  # not a second run of the same test, but the next attempt at it
            self.repeated.discard(nodeid)
            self.attempts[nodeid] += 1
        attempt = self.attempts.setdefault(nodeid, 1)
        self.file.write("start", node_id=identity(nodeid), attempt=attempt, **place)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write down what became of a phase, or of the worker process in it."""
        if report.when not in PHASES:
            self._crash(report)
            return
        if report.when == "setup" and report.nodeid in self.repeated:
            # Older versions of pytest-rerunfailures start an attempt without saying so.
            self._start(report.nodeid)
        self.file.write("phase", **self._phase(report))
        self._mark_repeated(report)

    def _mark_repeated(self, report: Any) -> None:
        if report.outcome in RERUN:
            self.attempts.setdefault(report.nodeid, 1)
            self.repeated.add(report.nodeid)

    def _phase(self, report: Any) -> dict[str, Any]:
        ended = {
            "node_id": identity(report.nodeid),
            "attempt": self.attempts.get(report.nodeid, 1),
            "when": report.when,
            "outcome": report.outcome,
        }
        try:
            return {**ended, **self._details(report)}
        except Exception as error:  # noqa: BLE001 - a report of some plugin's own: how the phase ended is known
            return {
                **ended,
                "message": one_line(f"{type(error).__name__} while its report was read: {error}"),
            }

    def _details(self, report: Any) -> dict[str, Any]:
        fields = {
            "duration_s": round(report.duration, 6),
            "wasxfail": bounded(str(report.wasxfail), 500)[0] if hasattr(report, "wasxfail") else None,
            "worker": reports.worker(report),
            "markers": getattr(report, "nightly_markers", None),
            "subtest": reports.subtest(report),
        }
        return fields if report.passed else {**fields, **self._trouble(report)}

    def _trouble(self, report: Any) -> dict[str, Any]:
        parts = {f"std{stream}": reports.captured(report, f"std{stream}") for stream in ("out", "err")}
        if not report.skipped:
            parts["longrepr"] = report.longreprtext
        cut = {name: bounded(text, self.file.text_limit) for name, text in parts.items() if text}
        return {
            "message": reports.message(report.longrepr),
            "exception": getattr(report, "nightly_exception", None),
            **{name: text for name, (text, _) in cut.items()},
            **{f"{name}_cut": missing for name, (_, missing) in cut.items()},
        }

    def _crash(self, report: Any) -> None:
        """A worker of pytest-xdist died: its last test is the one to blame."""
        self.file.write(
            "crash",
            node_id=identity(report.nodeid),
            attempt=self.attempts.get(report.nodeid, 1),
            message=reports.message(report.longrepr),
            worker=reports.worker(report),
            rerun=report.outcome in RERUN,
        )
        self._mark_repeated(report)
        self.pytest_runtest_logfinish(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Forget a test that runs no more."""
        if nodeid not in self.repeated:
            self.attempts.pop(nodeid, None)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """Write down a worker process that died; pytest-xdist replaces it and goes on."""
        if error:
            self.file.write("worker_down", worker=str(node.gateway.id), message=one_line(str(error)))

    # the end

    def on_terminated(self) -> None:
        """SIGTERM: write what was running and where it stood, then let pytest stop and tear down."""
        if self.terminated:
            return
        self.terminated = True
        self._interrupted("SIGTERM", bounded(stacks(), self.file.text_limit)[0])
        if self.session is not None:
            self.session.shouldstop = "SIGTERM"  # should a test swallow the interrupt
        raise KeyboardInterrupt("SIGTERM")

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """Ctrl-C or pytest.exit; not pytest's own stop, after the first failure for example."""
        if self.terminated:
            return
        if excinfo.type is KeyboardInterrupt:
            self._interrupted("SIGINT")
        # Stops of pytest and of xdist are of KeyboardInterrupt's kind, and no exit that a test asked for.
        elif not issubclass(excinfo.type, KeyboardInterrupt):
            self._interrupted(f"pytest.exit: {one_line(str(excinfo.value))}")

    def _interrupted(self, reason: str, stacks: str | None = None) -> None:
        running = [identity(node_id) for node_id in list(self.attempts)[-100:]]
        self.file.write("interrupted", reason=reason, running=running, stacks=stacks)

    def pytest_internalerror(self, excrepr: Any, excinfo: Any) -> None:
        """Write down a failure of pytest itself or of a plugin."""
        message = one_line(f"{excinfo.typename}: {excinfo.value}")
        text, cut = bounded(str(excrepr), self.file.text_limit)
        self.file.write("internal_error", message=message, longrepr=text, longrepr_cut=cut)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: Any) -> Any:
        """Write down that pytest came to its own end, and with what exit code."""
        yield
        # Read last: other plugins change the exit status in this very hook.
        self.file.write("finish", exit_code=int(session.exitstatus), lost=self.file.lost)

    def pytest_unconfigure(self) -> None:
        """Leave the process as it was."""
        self._guard.remove()
