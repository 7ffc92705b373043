"""What tests of judging a night share: nights of tests drawn, and the verdicts on them."""

from __future__ import annotations

from nightly_pipeline.model.history import NightRow, TestIdentity
from tests.factories import night, run_facts
from tests.fakes.history import MemoryHistory
from tests.unit.model.pasts import TEST, day, row


def named(name: str) -> TestIdentity:
    return TestIdentity(**{**TEST.model_dump(), "node_id": name})


def past(rows: dict[str, str], **fields) -> MemoryHistory:
    """A history of tests drawn: name -> one sign a night."""
    history = MemoryHistory()
    for number in range(max(len(signs) for signs in rows.values())):
        tests = [
            row(signs[number], number, test=named(name), **fields)
            for name, signs in rows.items()
            if number < len(signs) and signs[number] != "-"
        ]
        history.write(night_row(number), [], tests)
    return history


def night_row(number: int, **fields) -> NightRow:
    given = {
        "date": day(number),
        "run_id": f"run-{number}",
        "status": "red",
        "engine_kind": "mock",
        "profile": "local",
        "partial": False,
    }
    return NightRow(**{**given, **fields})


def report(number: int, *stages, **fields):
    run = run_facts(run_id=f"run-{number}", date=day(number))
    return night(stages=stages, date=day(number), runs=(run,), **fields)


def verdicts(judgement) -> dict[str, str]:
    return {one.test.node_id: one.verdict.value for one in judgement.verdicts}
