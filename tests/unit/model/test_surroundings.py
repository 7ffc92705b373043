"""Errors that do not come from the image, and what one test says of another."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.past import pasts
from nightly_pipeline.model.surroundings import environment_errors
from nightly_pipeline.model.verdicts import Background, judge_test
from tests.unit.model.pasts import day, row

AWAY = "OSError: cannot reach https://hub.example.org/m/llama within 300 ms"


def named(number: int, *, framework: str = "vllm", file: str | None = None) -> TestIdentity:
    node_id = f"e2e/{file or f'test_{number}.py'}::test_{number}"
    return TestIdentity(framework=framework, arch="amd64", stage="e2e", node_id=node_id)


MANY = [named(number, framework=("vllm", "sglang")[number % 2]) for number in range(6)]


def bad_and_good_again(test: TestIdentity, night: int, *, error: str = AWAY) -> list:
    """Good on the nights before; bad, and good when it was repeated."""
    before = [row(".", number, test=test) for number in range(night)]
    tonight = {"test": test, "error": error}
    return [*before, row("F", night, **tonight), row(".", night, source="confirmation", test=test)]


def verdicts(rows: list, night: int) -> dict[TestIdentity, Verdict]:
    past = pasts(rows, until=day(night), engine="mock")
    background = Background(day(night), (), environment_errors(past))
    judged = {test: judge_test(nights, background) for test, nights in past.items()}
    return {test: one.verdict for test, one in judged.items() if one}


def on_several(tests: list[TestIdentity], night: int, **fields) -> list:
    return [one for test in tests for one in bad_and_good_again(test, night, **fields)]


def test_many_tests_of_several_images_that_have_one_error_and_are_good_again_are_no_chance():
    assert set(verdicts(on_several(MANY, 5), 5).values()) == {Verdict.ENVIRONMENT}


def test_what_was_not_repeated_that_night_has_the_same_reason():
    left_out = named(9)
    rows = [*on_several(MANY, 5), row(".", 4, test=left_out), row("F", 5, test=left_out, error=AWAY)]
    assert verdicts(rows, 5)[left_out] is Verdict.ENVIRONMENT


def test_good_the_night_after_is_nobodys_mending_and_no_proof_of_a_flake():
    rows = [*on_several(MANY, 5), *(row(".", 6, test=test) for test in MANY)]
    assert verdicts(rows, 6) == {}
    again = [row("F", 7, test=test, error=AWAY) for test in MANY[:1]]
    confirmed = [row("F", 7, test=test, error=AWAY, source="confirmation") for test in MANY[:1]]
    assert verdicts([*rows, *again, *confirmed], 7) == {MANY[0]: Verdict.NEW}


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        (MANY[:4], "too few"),
        ([named(number) for number in range(9)], "of one image, which may well have a race"),
        (
            [named(number, framework=f"f{number % 3}", file="test_a.py") for number in range(9)],
            "one file's set-up",
        ),
    ],
)
def test_fewer_are_chance_as_everywhere(tests, why):
    assert set(verdicts(on_several(tests, 5), 5).values()) == {Verdict.FLAKY}, why


@pytest.mark.parametrize("error", ["AssertionError: assert False", "AssertionError: assert 404 == 200"])
def test_an_error_that_names_nothing_says_nothing_of_other_tests(error):
    assert set(verdicts(on_several(MANY, 5, error=error), 5).values()) == {Verdict.FLAKY}


def test_an_error_that_a_flake_had_before_is_that_flake_all_over():
    rows = [*bad_and_good_again(named(20), 3), row(".", 5, test=named(20)), *on_several(MANY, 5)]
    assert set(verdicts(rows, 5).values()) == {Verdict.FLAKY}


def test_one_test_that_is_good_on_the_earlier_image_clears_the_error():
    broken = named(30)
    rows = [
        *on_several(MANY, 5),
        row(".", 4, test=broken),
        *(row("F", 5, test=broken, error=AWAY, source=source) for source in ("night", "confirmation")),
        row(".", 5, test=broken, source="previous_image", image_digest="sha256:4"),
    ]
    assert verdicts(rows, 5) == {**dict.fromkeys(MANY, Verdict.FLAKY), broken: Verdict.NEW}


def test_a_check_on_an_image_the_test_never_ran_on_leaves_it_to_what_other_tests_showed():
    on = {"source": "previous_image", "image_digest": "sha256:4", "error": AWAY}
    one, other = named(1), named(2)
    rows = [
        row(".", 3, test=one), row("F", 5, test=one, error=AWAY), row("F", 5, test=one, **on),
        row(".", 4, test=other), row("F", 5, test=other, error=AWAY), row("F", 5, test=other, **on),
    ]  # fmt: skip
    assert verdicts(rows, 5) == {one: Verdict.ENVIRONMENT, other: Verdict.ENVIRONMENT}
    assert verdicts(rows[:3], 5) == {one: Verdict.NEW}


def test_a_service_that_is_away_only_at_times_is_no_flake_of_the_tests_that_got_through():
    on = {"source": "previous_image", "image_digest": "sha256:4", "error": AWAY}
    proof, lucky = named(1), named(2, framework="sglang")
    rows = [row(".", 4, test=proof), row("F", 5, test=proof, error=AWAY), row("F", 5, test=proof, **on)]
    assert verdicts([*rows, *bad_and_good_again(lucky, 5)], 5)[lucky] is Verdict.ENVIRONMENT


def test_many_that_fail_on_the_image_they_were_good_on_the_night_before_tell_of_other_images_as_well():
    """A stage of which most is bad is not repeated: nothing but the unchanged image tells."""
    same = {"image_digest": "sha256:same"}
    unchanged, new = [named(number) for number in range(5)], named(9, framework="sglang")
    rows = [row(".", 4, test=test, **same) for test in unchanged] + [row(".", 4, test=new)]
    bad = [row("F", 5, test=test, error=AWAY, **same) for test in unchanged]
    assert set(verdicts([*rows, *bad], 5).values()) == {Verdict.FLAKY}
    both = verdicts([*rows, *bad, row("F", 5, test=new, error=AWAY)], 5)
    assert set(both.values()) == {Verdict.ENVIRONMENT}


def test_a_test_that_had_the_error_by_chance_before_has_it_by_chance_again():
    on = {"source": "previous_image", "image_digest": "sha256:4", "error": AWAY}
    proof, flake = named(1), named(2, framework="sglang")
    rows = [row(".", 4, test=proof), row("F", 5, test=proof, error=AWAY), row("F", 5, test=proof, **on)]
    rows += [*bad_and_good_again(flake, 2, error=AWAY), row(".", 4, test=flake)]
    tonight = [row("F", 5, test=flake, error=AWAY), row(".", 5, test=flake, source="confirmation")]
    assert verdicts([*rows, *tonight], 5) == {proof: Verdict.ENVIRONMENT, flake: Verdict.FLAKY}
