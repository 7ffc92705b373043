"""A pytest plugin that writes down what happens, test by test, as it happens.

It is put into images of other teams at run time: one file, nothing but the standard library and pytest
(Python 3.9, pytest 7 and later). Activate it with `-p nightly_evidence` and name the file to write in
NIGHTLY_EVIDENCE_FILE; without that variable it does nothing.

The file is JSON Lines, one event a line: session, collected, collection, collect_error, collect_skip, start,
phase, crash, worker_down, internal_error, interrupted, finish. Only the process that was started writes;
pytest-xdist's workers send their reports to it. A run without a `finish` did not end by itself.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import os
import platform
import re
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

SCHEMA = 1
VARIABLE = "NIGHTLY_EVIDENCE_FILE"
IMAGE_FACTS = Path("/etc/nightly/image.json")
DEVICES, DRIVER = Path("/dev"), Path("/proc/driver/nvidia/gpus")
CHUNK = 500  # collected tests a line
NODE_ID_LIMIT = 2000
TEXT_LIMIT = 32 * 1024  # characters of a traceback or of captured output
# After that many bytes of evidence, texts get this short: thousands of failures must not fill the disk.
TIGHTER_LIMITS = ((256 * 1024 * 1024, 256), (64 * 1024 * 1024, 2048))
PHASES = ("setup", "call", "teardown")
RERUN = ("rerun", "retried")  # outcomes of pytest-rerunfailures and pytest-retry


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> Any:
    """Start as early as a plugin can, so that a broken conftest.py is on record too."""
    # Taken out of the environment: processes the tests start, pytest among them, must not write into our
    # file.
    path = os.environ.pop(VARIABLE, None)
    recorder = Recorder(path, early_config) if path else None
    outcome = yield
    error = outcome.excinfo[1] if outcome.excinfo is not None else None
    if recorder is not None and isinstance(error, Exception):  # not the interrupt of a SIGTERM
        recorder.conftest_failed(error)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Any:
    """Note on the report what only the process that runs the test knows: reports travel, exceptions don't."""
    outcome = yield
    if outcome.excinfo is not None:
        return
    report = outcome.get_result()
    if call.excinfo is not None:
        report.nightly_exception = _qualified_name(call.excinfo.type)
    if call.when == "setup" and hasattr(item.config, "workerinput"):
        report.nightly_markers = _markers(item)


class EvidenceFile:
    """A file that is appended to line by line, and survives what tests do to their process.

    Every line is handed to the kernel whole and at once: a killed process loses nothing that was written.
    There is no fsync, because only the loss of the whole machine could undo a write, and then the container's
    files are gone too.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()  # tests change the working directory
        self.owner = os.getpid()
        self.size = 0
        self.lost = 0
        self._torn = False
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._identity = os.fstat(self._fd)

    def _is_ours(self) -> bool:
        """Whether our number still stands for our file: a test may close it and another file get it."""
        try:
            now = os.fstat(self._fd)
        except OSError:
            return False
        return os.path.samestat(now, self._identity) and now.st_nlink > 0

    def write(self, event: str, **fields: Any) -> None:
        """Append one event without its fields that are None. Never raises: evidence must not fail a test."""
        if os.getpid() != self.owner:
            return  # a forked child that came back into pytest's code
        known = {name: value for name, value in fields.items() if value is not None}
        line = json.dumps(
            {"event": event, "time": round(time.time(), 3), **known}, separators=(",", ":"), default=str
        )
        try:
            self._append(line.encode("ascii") + b"\n")
        except OSError:
            self.lost += 1
            self._torn = True  # perhaps half a line was written: end it before the next

    def _append(self, data: bytes) -> None:
        if not self._is_ours():
            self._open()
        if self._torn:
            data = b"\n" + data
        self.size += len(data)
        while data:
            data = data[os.write(self._fd, data) :]
        self._torn = False

    @property
    def text_limit(self) -> int:
        """Characters a text may have now."""
        return next((limit for size, limit in TIGHTER_LIMITS if self.size > size), TEXT_LIMIT)


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
            args=[_bounded(str(arg), 1000)[0] for arg in config.invocation_params.args],
            plugins=_plugins(config),
            gpus=_gpus(),
            image=_image_facts(),
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
        self._collected([_collected(item) for item in session.items], self.deselected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Any) -> None:
        """Every worker collects the same: the first one is written down, markers come with the reports."""
        if not self.distributed:
            self.distributed = True
            self._collected([{"node_id": _identity(node_id)} for node_id in ids], None)

    def _collected(self, tests: list[dict[str, Any]], deselected: int | None) -> None:
        for start in range(0, len(tests), CHUNK):
            self.file.write("collected", tests=tests[start : start + CHUNK])
        self.file.write("collection", collected=len(tests), deselected=deselected)

    def pytest_collectreport(self, report: Any) -> None:
        """Write down what could not be collected, or skipped itself as a whole."""
        if report.failed:
            self._collect_error(report.nodeid, _message(report.longrepr), report.longreprtext)
        elif report.skipped:
            self.file.write(
                "collect_skip", node_id=_identity(report.nodeid), message=_message(report.longrepr)
            )

    def conftest_failed(self, error: BaseException) -> None:
        """A conftest.py above the tests could not be loaded; pytest ends without a session."""
        cause = error.__cause__ or error
        text = "".join(traceback.format_exception(type(cause), cause, cause.__traceback__))
        where = str(getattr(error, "path", "")) or "(configuration)"
        self._collect_error(where, _one_line(f"{type(cause).__name__}: {cause}"), text)

    def _collect_error(self, node_id: str, message: str | None, text: str) -> None:
        longrepr, cut = _bounded(text, self.file.text_limit)
        self.file.write(
            "collect_error",
            node_id=_identity(node_id),
            message=message,
            longrepr=longrepr,
            longrepr_cut=cut,
        )

    # tests

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Write down that a test starts, before anything of it can hang."""
        self._start(nodeid, **(_place(location) if self.distributed else {}))

    def _start(self, nodeid: str, **place: Any) -> None:
        if nodeid in self.repeated:  # not a second run of the same test, but the next attempt at it
            self.repeated.discard(nodeid)
            self.attempts[nodeid] += 1
        attempt = self.attempts.setdefault(nodeid, 1)
        self.file.write("start", node_id=_identity(nodeid), attempt=attempt, **place)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write down what became of a phase, or of the worker process in it."""
        if report.when not in PHASES:
            self._crash(report)
            return
        if report.when == "setup" and report.nodeid in self.repeated:
            self._start(
                report.nodeid
            )  # older versions of pytest-rerunfailures start an attempt without saying so
        self.file.write("phase", **self._phase(report))
        self._mark_repeated(report)

    def _mark_repeated(self, report: Any) -> None:
        if report.outcome in RERUN:
            self.attempts.setdefault(report.nodeid, 1)
            self.repeated.add(report.nodeid)

    def _phase(self, report: Any) -> dict[str, Any]:
        fields = {
            "node_id": _identity(report.nodeid),
            "attempt": self.attempts.get(report.nodeid, 1),
            "when": report.when,
            "outcome": report.outcome,
            "duration_s": round(report.duration, 6),
            "wasxfail": _bounded(str(report.wasxfail), 500)[0] if hasattr(report, "wasxfail") else None,
            "worker": _worker(report),
            "markers": getattr(report, "nightly_markers", None),
            "subtest": _subtest(report),
        }
        return fields if report.passed else {**fields, **self._trouble(report)}

    def _trouble(self, report: Any) -> dict[str, Any]:
        texts = {f"std{stream}": _captured(report, f"std{stream}") for stream in ("out", "err")}
        if not report.skipped:
            texts["longrepr"] = report.longreprtext
        bounded = {name: _bounded(text, self.file.text_limit) for name, text in texts.items() if text}
        return {
            "message": _message(report.longrepr),
            "exception": getattr(report, "nightly_exception", None),
            **{name: text for name, (text, _) in bounded.items()},
            **{f"{name}_cut": cut for name, (_, cut) in bounded.items()},
        }

    def _crash(self, report: Any) -> None:
        """A worker of pytest-xdist died: its last test is the one to blame."""
        self.file.write(
            "crash",
            node_id=_identity(report.nodeid),
            attempt=self.attempts.get(report.nodeid, 1),
            message=_message(report.longrepr),
            worker=_worker(report),
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
            self.file.write("worker_down", worker=str(node.gateway.id), message=_one_line(str(error)))

    # the end

    def on_terminated(self) -> None:
        """SIGTERM: write what was running and where it stood, then let pytest stop and tear down."""
        if self.terminated:
            return
        self.terminated = True
        self._interrupted("SIGTERM", _bounded(_stacks(), self.file.text_limit)[0])
        if self.session is not None:
            self.session.shouldstop = "SIGTERM"  # should a test swallow the interrupt
        raise KeyboardInterrupt("SIGTERM")

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """Ctrl-C or pytest.exit; not pytest's own stop, after the first failure for example."""
        if self.terminated:
            return
        if excinfo.type is KeyboardInterrupt:
            self._interrupted("SIGINT")
        elif not issubclass(
            excinfo.type, KeyboardInterrupt
        ):  # pytest's and xdist's own stops are of its kind
            self._interrupted(f"pytest.exit: {_one_line(str(excinfo.value))}")

    def _interrupted(self, reason: str, stacks: str | None = None) -> None:
        running = [_identity(node_id) for node_id in list(self.attempts)[-100:]]
        self.file.write("interrupted", reason=reason, running=running, stacks=stacks)

    def pytest_internalerror(self, excrepr: Any, excinfo: Any) -> None:
        """Write down a failure of pytest itself or of a plugin."""
        message = _one_line(f"{excinfo.typename}: {excinfo.value}")
        text, cut = _bounded(str(excrepr), self.file.text_limit)
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


class TerminationGuard:
    """Hears SIGTERM, which would otherwise end the process without a word (or, as PID 1, do nothing at all).

    A handler that was there before is called and has the last word. faulthandler, underneath, writes every
    thread's stack into the log even where the main thread hangs inside a library and no Python handler can
    run. Forked children die of SIGTERM as they always did.
    """

    def __init__(self, on_terminated: Any) -> None:
        self._on_terminated = on_terminated
        self._active = False
        self._previous = signal.getsignal(signal.SIGTERM)
        if self._previous in (signal.SIG_IGN, None):
            return
        with contextlib.suppress(ValueError):  # pytest does not run in the main thread
            signal.signal(signal.SIGTERM, self._handle)
            self._active = True
            self._mask_around_forks()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            faulthandler.register(signal.SIGTERM, file=_STDERR, all_threads=True, chain=True)

    def _handle(self, signum: int, frame: Any) -> None:
        try:
            self._on_terminated()
        except KeyboardInterrupt:
            if not callable(self._previous):
                raise
        if callable(self._previous):
            self._previous(signum, frame)

    def _mask_around_forks(self) -> None:
        """Hold SIGTERM back while a child still has our handler: Python forgets a signal that comes right then."""
        masks: dict[int, Any] = {}  # by thread

        def before() -> None:
            if self._active:
                masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

        def after() -> None:
            mask = masks.pop(threading.get_ident(), None)
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

        def after_in_child() -> None:
            self.remove()
            after()

        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after_in_child)

    def remove(self) -> None:
        """Leave the signal as it was found, unless somebody else has taken it since."""
        if self._active and signal.getsignal(signal.SIGTERM) == self._handle:
            with contextlib.suppress(AttributeError):
                faulthandler.unregister(signal.SIGTERM)
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, self._previous)
        self._active = False


def _duplicate_of_stderr() -> int:
    try:
        return os.dup(2)
    except OSError:
        return 2


_STDERR = _duplicate_of_stderr()  # taken at import, before pytest captures


def _identity(node_id: str) -> str:
    """A node id of bounded length; two long ones that differ stay different."""
    if len(node_id) <= NODE_ID_LIMIT:
        return node_id
    digest = hashlib.sha256(node_id.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return f"{node_id[:NODE_ID_LIMIT]}...{digest}"


def _bounded(text: str, limit: int) -> tuple[str, int | None]:
    """The head and the tail of a text, and how many bytes were cut in between (None when it is whole)."""
    if len(text) <= limit:
        return text, None
    head = limit // 4
    tail = limit - head
    cut = len(text[head:-tail].encode("utf-8", "surrogatepass"))
    return f"{text[:head]}\n[... {cut} bytes cut ...]\n{text[-tail:]}", cut


def _one_line(text: str, limit: int = 500) -> str:
    first = next((line for line in text[:10_000].splitlines() if line.strip()), "")
    return " ".join(first.split())[:limit]


def _message(longrepr: Any) -> str | None:
    """What a person would say about it in one line: the exception, or the reason of a skip."""
    if longrepr is None:
        return None
    if isinstance(longrepr, tuple):
        return _one_line(str(longrepr[-1]).removeprefix("Skipped: "))
    crash = getattr(getattr(longrepr, "reprcrash", None), "message", None)
    if crash:
        return _one_line(str(crash))
    text = str(longrepr)
    marked = re.findall(r"^E\s+(\S.*)$", text[-20_000:], re.MULTILINE)
    return _one_line(marked[-1] if marked else text)


def _captured(report: Any, stream: str) -> str:
    name = f"Captured {stream} {report.when}"
    return "".join(text for title, text in report.sections if title == name)


def _subtest(report: Any) -> str | None:
    """What a subtest calls itself; None for a whole test."""
    context = getattr(report, "context", None)
    return None if context is None else _one_line(str(getattr(context, "msg", None) or context)) or "subtest"


def _worker(report: Any) -> str | None:
    worker = getattr(getattr(getattr(report, "node", None), "gateway", None), "id", None)
    return None if worker is None else str(worker)


def _qualified_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _markers(item: Any) -> list[str]:
    return sorted({_one_line(marker.name, 100) for marker in item.iter_markers()})[:100]


def _place(location: Any) -> dict[str, Any]:
    file, line, _ = location
    return {"file": _identity(str(file)), "line": None if line is None else line + 1}


def _collected(item: Any) -> dict[str, Any]:
    return {"node_id": _identity(item.nodeid), **_place(item.location), "markers": _markers(item)}


def _stacks() -> str:
    """What every thread is doing, Python's side of it."""
    frames = sys._current_frames()  # noqa: SLF001 - public in all but name, and documented
    return "\n".join(
        f"thread {ident}\n{''.join(traceback.format_stack(frame))}" for ident, frame in frames.items()
    )


def _plugins(config: Any) -> dict[str, str]:
    installed = config.pluginmanager.list_plugin_distinfo()
    return {str(distribution.project_name): str(distribution.version) for _, distribution in installed}


def _gpus() -> list[dict[str, str]]:
    """The NVIDIA devices this process can see and what the driver says of them; no program that may hang."""
    told = {}
    for path in DRIVER.glob("*/information"):
        facts = dict(re.findall(r"^([^:\n]+):[ \t]*(.*?)[ \t]*$", _read(path), re.MULTILINE))
        told[facts.get("Device Minor", "")] = facts
    gpus = []
    for device in sorted(DEVICES.glob("nvidia[0-9]*")):
        facts = told.get(device.name[len("nvidia") :], {})
        gpus.append(
            {"device": str(device), "name": facts.get("Model", ""), "uuid": facts.get("GPU UUID", "")}
        )
    return gpus


def _image_facts() -> Any:
    """What the image says of itself, its engine above all: real or mock."""
    try:
        facts = json.loads(_read(IMAGE_FACTS) or "null")
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(64 * 1024)
    except OSError:
        return ""
