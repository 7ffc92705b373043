from __future__ import annotations

import threading
import time

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.steps.doctor import Check, Finding, Readiness, doctor, is_ready


def ok(name: str) -> Finding:
    return Finding(name, Readiness.OK, "seen")


def waiting(for_what: threading.Event | threading.Barrier, name: str) -> Finding:
    for_what.wait(600)
    return ok(name)


def raising(error: Exception) -> Finding:
    raise error


def test_findings_come_in_the_order_of_the_checks():
    delays = [0.1, 0.0, 0.05]
    checks = [
        Check(str(number), lambda number=number, delay=delay: time.sleep(delay) or ok(str(number)))
        for number, delay in enumerate(delays)
    ]
    assert [finding.name for finding in doctor(checks, deadline_s=300)] == ["0", "1", "2"]


def test_all_looks_are_side_by_side():
    together = threading.Barrier(20, timeout=300)
    checks = [Check(str(number), lambda: waiting(together, "x")) for number in range(20)]
    assert is_ready(doctor(checks, deadline_s=300))


def test_a_look_that_hangs_is_missing_and_holds_nobody_up():
    never = threading.Event()
    started = time.monotonic()
    hanging, fine = doctor(
        [
            Check("hangs", lambda: waiting(never, "hangs")),
            Check("fine", lambda: ok("fine"), deadline_s=300),
        ],
        deadline_s=2,
    )
    assert time.monotonic() - started < 300
    never.set()
    assert (hanging.status, hanging.detail) == (Readiness.MISSING, "no answer within 2 s")
    assert fine.status is Readiness.OK


def test_many_looks_that_hang_take_no_longer_than_one():
    never = threading.Event()
    started = time.monotonic()
    doctor(
        [Check(str(number), lambda: waiting(never, "x")) for number in range(60)],
        deadline_s=2,
    )
    assert time.monotonic() - started < 100
    never.set()


def test_an_error_of_ours_brings_its_own_next_step():
    error = EnvironmentNotReady("no daemon answers", next_step="Start it.")
    (finding,) = doctor([Check("Docker", lambda: raising(error))], deadline_s=300)
    assert finding == Finding("Docker", Readiness.MISSING, "no daemon answers", "Start it.")


def test_any_other_error_is_missing_not_fine():
    (finding,) = doctor([Check("x", lambda: raising(ZeroDivisionError("oh")))], deadline_s=300)
    assert (finding.status, finding.detail) == (
        Readiness.MISSING,
        "could not be found out: ZeroDivisionError: oh",
    )


def test_a_warning_is_ready_and_a_missing_thing_is_not():
    warning = Finding("x", Readiness.WARNING, "")
    missing = Finding("y", Readiness.MISSING, "")
    assert is_ready([ok("a"), warning])
    assert not is_ready([ok("a"), missing])


def test_nothing_looked_at_is_not_ready():
    assert doctor([]) == []
    assert not is_ready([])
