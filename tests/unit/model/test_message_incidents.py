"""Verdicts over time in the message: incidents first, owners called once, nothing made up where nothing is known."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import (
    Commit,
    Drift,
    Incident,
    Judgement,
    QuarantineNote,
    TestVerdict,
    Verdict,
)
from nightly_pipeline.model.message import night_message
from nightly_pipeline.model.message_background import Background
from nightly_pipeline.model.message_thread import thread_messages
from nightly_pipeline.model.report import Report
from tests.factories import DATE, failure, image, stage, whole_night
from tests.hostile import hostile_text
from tests.unit.model.test_message import LINKS, OURS, texts, whole, within_limits

CALLED = Background(mentions={"@org/kv-cache": "S0123", "alice": "U0456"})
TESTS = tuple(f"tests/test_cache.py::test_{number}" for number in range(3))


def identity(node_id: str, framework: str = "sglang", arch: str = "amd64") -> TestIdentity:
    return TestIdentity(framework=framework, arch=arch, stage="unit", node_id=node_id)


def incident(verdict: Verdict = Verdict.NEW, **fields) -> Incident:
    tests = fields.pop("tests", tuple(identity(test) for test in TESTS))
    defaults = {
        "id": "4f1c",
        "title": "AssertionError: assert <n> == <n>",
        "cells": tuple(dict.fromkeys(test.cell for test in tests)),
        "since": DATE,
        "nights": 1,
        "message": "assert 4095 == 4096",
        "owners": ("@org/kv-cache", "bob"),
    }
    return Incident(verdict=verdict, tests=tests, **(defaults | fields))


def judged_night(*incidents: Incident, **fields) -> Report:
    failures = tuple(failure(test) for test in TESTS)
    return whole_night(
        stage("sglang", "amd64", "unit", "failed", failures=failures),
        *fields.pop("changed", ()),
        judgement=Judgement(incidents=incidents, **fields),
    )


def test_a_new_incident_is_one_line_and_its_stage_is_not_told_twice() -> None:
    text = whole(night_message(judged_night(incident()), background=CALLED))

    assert "*1 new incident*." in text
    assert "*New* `AssertionError: assert &lt;n&gt; == &lt;n&gt;` 3 tests in 1 cell" in text
    assert "  sglang/amd64 · owners: <!subteam^S0123>, bob" in text
    assert "Stages of the incidents: sglang/amd64/unit" in text
    assert "test_0" not in text


def test_an_incident_of_one_test_names_it() -> None:
    alone = incident(tests=(identity(TESTS[0]),))
    report = whole_night(
        stage("sglang", "amd64", "unit", "failed", failures=[failure(TESTS[0])]),
        judgement=Judgement(incidents=(alone,)),
    )
    text = whole(night_message(report))

    assert "`AssertionError: assert &lt;n&gt; == &lt;n&gt;` in `test_0`\n  sglang/amd64/unit · owners" in text
    assert "Stages of the incidents" not in text


def test_without_a_past_incidents_are_not_called_new() -> None:
    text = whole(night_message(judged_night(incident(Verdict.UNKNOWN))))

    assert "*1 incident with no past to compare with*." in text
    assert "*Not compared* `AssertionError" in text
    assert "new" not in text.lower()


def test_a_stage_with_a_failure_outside_the_incidents_stays_a_problem() -> None:
    partly = incident(tests=(identity(TESTS[0]),))
    text = whole(night_message(judged_night(partly)))

    assert "*1 new incident*; *1 other problem*" in text
    assert "✗ *sglang/amd64/unit* failed" in text


def test_new_incidents_come_first_then_other_problems_then_what_is_known() -> None:
    incidents = (
        incident(Verdict.FLAKY, id="c", title="flaky one"),
        incident(Verdict.RECURRING, id="b", title="old one", nights=5, since="2026-11-16"),
        incident(Verdict.NEW, id="a", title="new one"),
    )
    report = judged_night(*incidents, changed=[image("vllm", "amd64", "framework", "failed")])
    text = whole(night_message(report))

    assert "*1 new incident, 1 recurring, 1 flaky*; *1 other problem*" in text
    order = [text.index(what) for what in ("new one", "vllm/amd64/framework_image", "old one", "flaky one")]
    assert order == sorted(order)
    assert "5 nights, since 2026-11-16" in text


def test_the_notification_says_incidents_before_other_problems() -> None:
    report = judged_night(incident(), changed=[image("vllm", "amd64", "framework", "failed")])
    assert night_message(report)[0] == (
        "Nightly 2026-11-20: red, mock engine · 1 new incident · vllm/amd64/framework_image failed"
    )


def test_nobody_is_called_for_what_recurs_or_comes_and_goes() -> None:
    for verdict in (Verdict.RECURRING, Verdict.FLAKY, Verdict.ENVIRONMENT, Verdict.QUARANTINED):
        report = judged_night(incident(verdict, owners=("@org/kv-cache", "alice")))
        for message in (
            night_message(report, LINKS, CALLED),
            *thread_messages(report, LINKS, CALLED).values(),
        ):
            assert "<@" not in whole(message)
            assert "<!" not in whole(message)
            assert "owners: @org/kv-cache, alice" in whole(message)


def test_a_first_failure_without_a_past_calls_but_a_later_one_does_not() -> None:
    first, later = (incident(Verdict.UNKNOWN, owners=("Alice",), nights=nights) for nights in (1, 2))

    assert "<@U0456>" in whole(night_message(judged_night(first), background=CALLED))
    assert "<@U0456>" not in whole(night_message(judged_night(later), background=CALLED))


def test_the_thread_has_a_reply_an_incident_with_its_tests_and_where_to_go_on() -> None:
    found = incident(
        last_good="2026-11-19",
        last_good_revision="a" * 40,
        first_bad_revision="b" * 40,
        suspects=("Ada <ada@example.org>",),
    )
    text, blocks = thread_messages(judged_night(found), LINKS, CALLED)["incident-4f1c"]
    shown = "\n".join(texts(blocks))

    assert text == "New incident: AssertionError: assert &lt;n&gt; == &lt;n&gt;, 3 tests in 1 cell"
    assert "<!subteam^S0123>" in shown
    assert "```assert 4095 == 4096```" in shown
    assert "• `tests/test_cache.py::test_2` sglang/amd64/unit" in shown
    assert f"Good last on 2026-11-19: `{'a' * 12}` to `{'b' * 12}`" in shown
    assert "Commits since then by `Ada &lt;ada@example.org&gt;`" in shown
    assert "|junit.xml>" in shown
    assert "|Dagster run>" in shown


def test_tests_beyond_the_first_of_an_incident_are_counted() -> None:
    many = incident(tests=tuple(identity(f"a.py::test_{n}") for n in range(40)))

    assert "• 25 more tests" in whole(thread_messages(judged_night(many))["incident-4f1c"])


def test_what_was_fixed_is_counted_and_a_green_night_stays_all_good() -> None:
    fixed = (TestVerdict(test=identity("a.py::test_a"), verdict=Verdict.FIXED),)
    report = whole_night(judgement=Judgement(verdicts=fixed))

    assert "All 45 steps good. Fixed since last time: 1 test." in whole(night_message(report))


def test_without_a_judgement_nothing_is_said_of_the_past() -> None:
    report = judged_night().model_copy(update={"judgement": None})
    text = "".join(whole(one) for one in [night_message(report), *thread_messages(report).values()])

    assert "incident" not in text
    assert "new" not in text.lower()


def drift(what: str, value: float, **fields) -> Drift:
    defaults = {
        "framework": "vllm",
        "arch": "amd64",
        "usual": 100.0,
        "spread": 1.0,
        "unit": "s",
        "nights": 14,
    }
    return Drift(what=what, value=value, **(defaults | fields))


def test_what_left_its_usual_range_most_is_named_first_and_the_rest_counted() -> None:
    drifts = (
        drift("stage", 150, stage="unit"),
        drift("build_step", 400, name="[runtime 4/9] RUN <x>"),
        drift("image_size", 8e9, usual=4e9, unit="bytes"),
        drift("test", 20, stage="unit", name="a.py::test_a"),
        drift("night", 90_000),
    )
    text = whole(night_message(whole_night(judgement=Judgement(drifts=drifts))))

    assert (
        "Out of the usual range: test vllm/amd64/unit `a.py::test_a` 20.0 s, as a rule 1 min 40 s; "
        "build step vllm/amd64 `[runtime 4/9] RUN &lt;x&gt;` 6 min 40 s, as a rule 1 min 40 s; "
        "image vllm/amd64 8.0 GB, as a rule 4.0 GB and 1 more"
    ) in text


def note(state: str, test: str) -> QuarantineNote:
    return QuarantineNote(test=test, state=state, owner="a", reason="b", issue="c", expires=DATE)


def test_the_quarantine_is_mentioned_where_somebody_has_to_do_something() -> None:
    active = Judgement(quarantine=(note("active", "a.py::test_a"),))
    asks = Judgement(quarantine=(note("ready_to_leave", "b.py::*"), note("expired", "c.py::`<!channel>`")))

    assert "Quarantine" not in whole(night_message(whole_night(judgement=active)))
    assert "Quarantine, expired: `c.py::'&lt;!channel&gt;'`; may leave: `b.py::*`" in whole(
        night_message(whole_night(judgement=asks))
    )


def test_new_commits_are_counted_where_there_is_a_night_to_compare_with() -> None:
    commits = tuple(Commit(revision=f"{n}", author="a", subject="b") for n in range(3))
    known = Judgement(commits=commits, compared_with="2026-11-19")

    assert "3 commits since 2026-11-19" in whole(night_message(whole_night(judgement=known)))
    assert "commit" not in whole(night_message(whole_night(judgement=Judgement(commits=commits))))


def test_a_quarantined_incident_in_a_green_night_is_shown_apart() -> None:
    report = whole_night(judgement=Judgement(incidents=(incident(Verdict.QUARANTINED),)))
    text = whole(night_message(report))

    assert "All 45 steps good. *1 quarantined incident*." in text


@settings(max_examples=40, deadline=None)
@given(hostile_text, st.integers(1, 300), st.integers(1, 60), st.integers(1, 50))
def test_incidents_keep_the_limits_and_call_nobody_by_their_text(
    text: str, times: int, tests: int, incidents: int
) -> None:
    found = [
        incident(
            id=f"{number}",
            title=text * times,
            message=text * times,
            owners=(text,),
            suspects=(text,) * 9,
            last_good=text,
            tests=tuple(identity(f"{text}{n}", framework=text or "x") for n in range(tests)),
        )
        for number in range(incidents)
    ]
    report = judged_night(*found)
    for message in (night_message(report, LINKS, CALLED), *thread_messages(report, LINKS, CALLED).values()):
        assert within_limits(message)
        for shown in [message[0], *texts([block for block in message[1] if block["type"] != "header"])]:
            assert not set(OURS.sub("", shown)) & set("<>")
