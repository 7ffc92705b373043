"""A pytest plugin that writes down what happens, test by test, as it happens.

It is put into images of other teams at run time: a few small files, nothing but the standard library and pytest
(Python 3.9, pytest 7 and later). Activate it with `-p nightly_evidence` and name the file to write in
NIGHTLY_EVIDENCE_FILE; without that variable nothing is written. Where only some tests are to run, name a file with a
JSON list of their node ids in NIGHTLY_SELECTION_FILE.

The file is JSON Lines, one event a line: session, collected, collection, collect_error, collect_skip, start,
phase, crash, worker_down, internal_error, interrupted, finish. Only the process that was started writes;
pytest-xdist's workers send their reports to it. A run without a `finish` did not end by itself.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from . import selection
from .recorder import Recorder
from .reports import markers, qualified_name

VARIABLE = "NIGHTLY_EVIDENCE_FILE"
SELECTION_VARIABLE = "NIGHTLY_SELECTION_FILE"


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> Any:
    """Start as early as a plugin can, so that a broken conftest.py is on record too."""
    # Taken out of the environment: processes the tests start, pytest among them, must not write into our
    # file, and run what they like.
    path, chosen = os.environ.pop(VARIABLE, None), os.environ.pop(SELECTION_VARIABLE, None)
    recorder = Recorder(path, early_config) if path else None
    if chosen:
        _select(early_config, selection.read(chosen))
    outcome = yield
    error = outcome.excinfo[1] if outcome.excinfo is not None else None
    if recorder is not None and isinstance(error, Exception):  # not the interrupt of a SIGTERM
        recorder.conftest_failed(error)


def pytest_configure(config: Any) -> None:
    """In a worker process of pytest-xdist: run what the process that was started was asked for."""
    chosen = getattr(config, "workerinput", {}).get(selection.WORKER_INPUT)
    if chosen is not None:
        _select(config, selection.Selection(chosen))


def _select(config: Any, chosen: selection.Selection) -> None:
    config.pluginmanager.register(chosen, "nightly-evidence-selection")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Any:
    """Note on the report what only the process that runs the test knows: reports travel, exceptions don't."""
    outcome = yield
    if outcome.excinfo is not None:
        return
    report = outcome.get_result()
    if call.excinfo is not None:
        report.nightly_exception = qualified_name(call.excinfo.type)
    if call.when == "setup" and hasattr(item.config, "workerinput"):
        report.nightly_markers = markers(item)
