"""Which failures are run again, and on which image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.confirmation import Confirmed, Limits, last_good_image, plan_reruns
from nightly_pipeline.model.history import TestIdentity, TestResult
from nightly_pipeline.model.judgement import NightResult, TestVerdict, Verdict
from nightly_pipeline.model.outcomes import EngineFacts, StageCounts
from tests.factories import DATE, digest, stage
from tests.history_rows import row

TONIGHT = stage(status="failed")
NAMES = [f"unit/test_a.py::test_{number:03}" for number in range(120)]


def verdict(
    node_id: str,
    word: str = "new",
    *,
    result: str = "failed",
    before: tuple[NightResult, ...] = (),
    **cell: str,
) -> TestVerdict:
    """`flaky failed` is a night on which it failed and passed on one image."""
    place = {"framework": "vllm", "arch": "amd64", "stage": "unit"} | cell
    flaky, ended = result.startswith("flaky "), TestResult(result.removeprefix("flaky "))
    tonight = NightResult(date=DATE, result=ended, flaky=flaky)
    return TestVerdict(
        test=TestIdentity(**place, node_id=node_id), verdict=Verdict(word), strip=(*before, tonight)
    )


def failed(bad: int, good: int, name: str = "unit", **fields):
    counts = StageCounts(passed=good, failed=bad, collected=bad + good)
    return stage(stage=name, status="failed", counts=counts, **fields)


def planned(*new: str, bad: int | None = None, good: int = 1000, **limits):
    bad = len(new) if bad is None else bad
    (only,) = plan_reruns([failed(bad, good)], [verdict(one) for one in new], Limits(**limits))
    return only


@pytest.mark.parametrize("word", [word.value for word in Verdict if word not in {Verdict.NEW, Verdict.FLAKY}])
def test_what_is_known_to_be_bad_is_not_repeated(word):
    assert plan_reruns([failed(1, 10)], [verdict(NAMES[0], word)], Limits()) == ()


def test_what_passed_and_failed_tonight_is_proven_and_not_repeated():
    proven = [
        verdict(name, "flaky", result=f"flaky {end}")
        for name, end in zip(NAMES, ("failed", "passed"), strict=False)
    ]
    assert plan_reruns([failed(1, 10)], proven, Limits()) == ()


def test_what_is_bad_on_an_image_it_was_good_on_another_night_is_repeated():
    """Else all that fails on such a night, when a service is away, is taken for chance."""
    (only,) = plan_reruns([failed(1, 10)], [verdict(NAMES[0], "flaky")], Limits())
    assert only.tests == (NAMES[0],)


def test_what_goes_on_failing_and_was_proven_flaky_lately_is_repeated_after_what_is_new():
    before = (NightResult(date="2026-11-12", result=TestResult.FAILED, flaky=True),)
    known = verdict(NAMES[0], "recurring", before=before)
    (only,) = plan_reruns([failed(2, 10)], [known, verdict(NAMES[1])], Limits(max_tests=1))
    assert (only.tests, only.left_out) == ((NAMES[1],), 1)
    (only,) = plan_reruns([failed(2, 10)], [known, verdict(NAMES[1])], Limits())
    assert only.tests == (NAMES[1], NAMES[0])


def test_every_stage_repeats_its_own():
    verdicts = [verdict(NAMES[0]), verdict(NAMES[1], stage="integration")]
    reruns = plan_reruns(
        [failed(1, 10), failed(1, 10, "integration"), stage()], verdicts, Limits(), revision="c0ffee"
    )
    assert {one.key: (one.tests, one.revision) for one in reruns} == {
        ("vllm", "amd64", "unit_tests"): ((NAMES[0],), "c0ffee"),
        ("vllm", "amd64", "integration_tests"): ((NAMES[1],), "c0ffee"),
    }


def test_switched_off_nothing_is():
    assert plan_reruns([failed(1, 10)], [verdict(NAMES[0])], Limits(enabled=False)) == ()


def test_what_is_over_the_limit_is_left_out_and_counted():
    found = planned(*NAMES[:7], max_tests=5)
    assert found.tests == tuple(NAMES[:5])
    assert found.left_out == 2


def test_a_stage_of_which_most_is_bad_is_not_repeated_and_says_why():
    found = planned(NAMES[0], bad=60, good=40)
    assert (found.tests, found.left_out) == ((), 1)
    assert "60 of 100 tests are bad" in found.skipped


def test_exactly_the_share_is_still_repeated():
    assert planned(NAMES[0], bad=50, good=50, max_failed_share=0.5).tests
    assert not planned(NAMES[0], bad=51, good=50, max_failed_share=0.5).tests


@pytest.mark.parametrize(
    ("bad", "good", "repeated"), [(1, 0, 1), (2, 1, 2), (3, 0, 3), (3, 2, 3), (4, 4, 4), (4, 3, 0), (4, 0, 0)]
)
def test_a_handful_is_repeated_whatever_its_share(bad, good, repeated):
    found = planned(*NAMES[:bad], good=good)
    assert (len(found.tests), found.left_out) == (repeated, bad - repeated)


def test_without_a_handful_the_share_alone_counts():
    found = planned(NAMES[0], good=0, always_up_to=0)
    assert (found.tests, found.skipped) == ((), "1 of 1 tests are bad: too large a share to be repeated")


def test_a_handful_is_what_is_bad_and_not_only_what_is_new():
    assert planned(NAMES[0], bad=4, good=0).tests == ()


def test_a_handful_keeps_to_the_other_limits():
    assert len(planned(*NAMES[:3], good=0, max_tests=2).tests) == 2
    assert planned("unit/test_a.py", bad=0, good=0).tests == ()


def test_what_took_its_process_with_it_comes_last():
    verdicts = [verdict(NAMES[0], result="crashed"), verdict(NAMES[1]), verdict(NAMES[2])]
    (found,) = plan_reruns([failed(3, 100)], verdicts, Limits())
    assert found.tests == (NAMES[1], NAMES[2], NAMES[0])


def test_a_file_that_could_not_be_collected_names_no_test_to_repeat():
    found = planned("unit/test_a.py")
    assert (found.tests, found.left_out) == ((), 1)
    assert "could not be collected" in found.skipped


def test_a_dry_run_is_not_repeated():
    (found,) = plan_reruns([stage(arch="arm64")], [verdict(NAMES[0], arch="arm64")], Limits())
    assert (found.tests, found.skipped) == ((), "nothing of it ran")


@given(
    new=st.integers(1, 120),
    recurring=st.integers(0, 200),
    good=st.integers(0, 400),
    limits=st.builds(
        Limits,
        max_tests=st.integers(1, 130),
        max_failed_share=st.floats(0.01, 1),
        always_up_to=st.integers(0, 10) | st.integers(0, 400),
    ),
)
def test_never_more_than_the_limits_and_nothing_is_lost(new, recurring, good, limits):
    verdicts = [verdict(name) for name in NAMES[:new]]
    (found,) = plan_reruns([failed(new + recurring, good)], verdicts, limits)
    assert len(found.tests) <= limits.max_tests
    assert len(found.tests) + found.left_out == new
    assert set(found.tests) <= set(NAMES[:new])
    bad = new + recurring
    too_many = bad > limits.always_up_to and bad / (bad + good) > limits.max_failed_share
    assert bool(found.tests) is not too_many
    assert (found.skipped is not None) is too_many


def good_row(name: str, date: str, image: str | None, **fields):
    return row(name, date=date, image_digest=image, engine_kind="mock", **fields)


def found_in(*rows, tests=(NAMES[0],)):
    found = last_good_image(rows, tests, tonight=TONIGHT)
    return None if found is None else (found.row.image_digest, found.tests)


def test_the_image_is_the_one_on_which_it_was_good_last():
    rows = [good_row(NAMES[0], "2026-11-18", "sha256:older"), good_row(NAMES[0], "2026-11-19", "sha256:last")]
    assert found_in(*rows) == found_in(*reversed(rows)) == ("sha256:last", (NAMES[0],))


@pytest.mark.parametrize(
    "fields",
    [
        {"result": TestResult.FAILED},
        {"result": TestResult.SKIPPED},
        {"date": DATE},
        {"image": None},
        {"source": "previous_image"},
        {"source": "bisect"},
        {"stage": "integration"},
        {"image": digest("vllm", "amd64", "runtime")},
    ],
    ids=str,
)
def test_what_is_no_image_to_compare_with(fields):
    given_ = {"name": NAMES[0], "date": "2026-11-19", "image": "sha256:last", **fields}
    assert found_in(good_row(**given_)) is None


def test_an_image_with_another_kind_of_engine_is_not():
    assert TONIGHT.engine == EngineFacts(kind="mock", name="mock-engine", version="0.1.0")
    real = row(NAMES[0], date="2026-11-19", image_digest="sha256:last", engine_kind="real")
    assert found_in(real) is None


def test_of_different_images_it_is_the_newest_with_its_own_tests():
    rows = [
        good_row(NAMES[0], "2026-11-18", "sha256:older"),
        good_row(NAMES[1], "2026-11-19", "sha256:last"),
        good_row(NAMES[2], "2026-11-19", "sha256:last"),
    ]
    assert found_in(*rows, tests=tuple(NAMES[:3])) == ("sha256:last", (NAMES[1], NAMES[2]))


def test_a_record_reads_back_as_it_was_written():
    one = Confirmed(
        date=DATE,
        run_id="one",
        framework="vllm",
        arch="amd64",
        stage="unit",
        again={NAMES[0]: TestResult.FAILED, NAMES[1]: TestResult.PASSED},
    )
    assert Confirmed.model_validate_json(one.model_dump_json()) == one
    assert one.bad_again == (NAMES[0],)
