from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.history import BAD_RESULTS, TestResult
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.past import pasts
from nightly_pipeline.model.verdicts import STRIP_NIGHTS
from tests.unit.model.pasts import TEST, day, drawn, row, verdict

LATER = datetime(2026, 11, 30, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("..F", "new"),
        (".FF", "recurring"),
        ("..E", "new"),
        ("..C", "new"),
        ("FF.", "fixed"),
        ("F", "unknown"),
        ("FF", "recurring"),
        ("...", None),
        (".F.F", "new"),
        (".F.F.F.F", "new"),  # good and bad by turns, but never on one image
        ("..x", "flaky"),
        (".Fx", "flaky"),
    ],
)
def test_what_a_test_did_lately_gives_its_verdict(signs, expected):
    found = verdict(list(drawn(signs)))
    assert (found.verdict.value if found else None) == expected


@pytest.mark.parametrize("between", ["-", "s", "n", "c", "---", "sn-"])
def test_a_night_on_which_it_did_not_run_is_neither_good_nor_bad(between):
    bad = verdict(list(drawn(f".F{between}F")))
    assert (bad.verdict, bad.since, bad.nights) == (Verdict.RECURRING, day(1), 2)
    good = verdict(list(drawn(f"F{between}.")))
    assert good.verdict is Verdict.FIXED
    assert verdict(list(drawn(f".{between}F"))).verdict is Verdict.NEW


@pytest.mark.parametrize("tonight", ["s", "n", "c"])
def test_what_did_not_run_tonight_has_no_verdict(tonight):
    assert verdict(list(drawn(f".F{tonight}"))) is None


def test_a_test_that_is_gone_is_not_fixed():
    assert verdict(list(drawn(".F-")), tonight=day(2)) is None


def test_a_test_that_was_only_collected_before_was_never_good():
    assert verdict(list(drawn("cccF"))).verdict is Verdict.UNKNOWN


def test_a_recurring_failure_knows_when_it_began_and_what_was_good_before():
    found = verdict(list(drawn("..F-F")))
    assert (found.since, found.nights, found.first_bad_revision) == (day(2), 2, "commit-2")
    assert (found.last_good, found.last_good_revision) == (day(1), "commit-1")


def test_a_fixed_test_tells_of_the_row_that_ended():
    found = verdict(list(drawn(".FF.")))
    assert (found.since, found.nights, found.last_good) == (day(1), 2, day(0))


def test_a_recurring_failure_with_another_error_says_since_when():
    rows = [*drawn(".FF"), row("F", 3, error="ValueError: other")]
    found = verdict(rows)
    assert found.verdict is Verdict.RECURRING
    assert f"this error since {day(3)}" in found.why


def test_two_runs_of_one_image_that_disagree_are_a_flake_whichever_is_newer():
    for first, second in ("F.", ".F"):
        rows = [row(".", 0), row(first, 1), row(second, 1, run_id="again", finished_at=LATER)]
        assert verdict(rows).verdict is Verdict.FLAKY


def test_of_two_runs_of_different_images_the_newer_counts():
    again = {"run_id": "again", "finished_at": LATER, "image_digest": "sha256:rebuilt"}
    assert verdict([row(".", 0), row("F", 1), row(".", 1, **again)]) is None
    assert verdict([row(".", 0), row(".", 1), row("F", 1, **again)]).verdict is Verdict.NEW


def test_a_run_that_did_not_get_to_the_test_hides_no_result():
    rows = [row(".", 0), row("F", 1), row("n", 1, run_id="again", finished_at=LATER)]
    assert verdict(rows).verdict is Verdict.NEW


def test_a_confirming_rerun_that_passes_proves_a_flake_and_one_that_fails_does_not():
    bad = [row(".", 0), row("F", 1)]
    assert verdict([*bad, row(".", 1, source="confirmation")]).verdict is Verdict.FLAKY
    assert verdict([*bad, row("F", 1, source="confirmation")]).verdict is Verdict.NEW


def test_a_confirming_rerun_does_not_decide_how_the_night_was():
    rows = [row(".", 0), row("F", 1), row(".", 1, source="confirmation", finished_at=LATER)]
    found = verdict(rows)
    assert found.strip[-1].result is TestResult.FAILED
    assert found.strip[-1].flaky


def test_an_image_that_runs_again_the_next_night_can_prove_a_flake():
    same = {"image_digest": "sha256:same"}
    assert verdict([row(".", 0, **same), row("F", 1, **same)]).verdict is Verdict.FLAKY
    assert verdict([row("F", 0, **same), row(".", 1, **same)]).verdict is Verdict.FLAKY


def test_without_a_digest_nothing_is_said_of_one_image():
    unknown = {"image_digest": None}
    assert verdict([row(".", 0, **unknown), row("F", 1, **unknown)]).verdict is Verdict.NEW
    rows = [row(".", 0), row("F", 1, **unknown), row(".", 1, source="confirmation", **unknown)]
    assert verdict(rows).verdict is Verdict.NEW


def test_bad_on_last_nights_image_as_well_where_it_was_good_is_the_environments_doing():
    rows = [*drawn(".F"), row("F", 1, source="confirmation")]
    before = {"source": "previous_image", "image_digest": "sha256:0"}
    assert verdict([*rows, row("F", 1, **before)]).verdict is Verdict.ENVIRONMENT
    assert verdict([*rows, row(".", 1, **before)]).verdict is Verdict.NEW


def test_a_new_failure_says_how_much_it_stands_on():
    once = list(drawn(".F"))
    again = [*once, row("F", 1, source="confirmation")]
    checked = [*again, row(".", 1, source="previous_image", image_digest="sha256:0")]
    assert {verdict(rows).verdict for rows in (once, again, checked)} == {Verdict.NEW}
    assert "not repeated, so it may be by chance" in verdict(once).why
    assert "what is around it may have changed" in verdict(again).why
    assert "and good on the image on which it was good before" in verdict(checked).why


def test_bad_on_an_image_that_it_was_never_good_on_says_nothing_of_the_environment():
    """The break came on a night on which the test did not run."""
    rows = [*drawn(".-F"), row("F", 2, source="previous_image", image_digest="sha256:1")]
    assert verdict(rows).verdict is Verdict.NEW


def test_good_again_after_the_environment_was_bad_is_nobodys_mending():
    rows = [*drawn(".F."), row("F", 1, source="previous_image", image_digest="sha256:0")]
    assert verdict(rows) is None


def test_a_proven_flake_does_not_belong_to_the_row_of_bad_nights_after_it():
    rows = [*drawn(".FF"), row(".", 1, source="confirmation")]
    found = verdict(rows)
    assert (found.verdict, found.since, found.last_good) == (Verdict.NEW, day(2), day(0))


def test_a_proven_flake_is_not_fixed_when_it_passes():
    assert verdict([*drawn(".F."), row(".", 1, source="confirmation")]) is None


def _often_flaky() -> list:
    """Bad on every other night, and good when it was repeated."""
    signs = ".F" * 10
    again = [row(".", night, source="confirmation") for night, sign in enumerate(signs) if sign == "F"]
    return [*drawn(signs), *again]


def test_a_known_flake_may_fail_when_repeated_as_often_as_it_always_did():
    rows = [*_often_flaky(), row(".", 20), row("F", 21), row("F", 21, source="confirmation")]
    assert verdict(rows).verdict is Verdict.FLAKY


def test_a_known_flake_with_another_error_is_a_new_failure():
    other = {"error": "ValueError: other"}
    rows = [*_often_flaky(), row("F", 21, **other), row("F", 21, source="confirmation", **other)]
    assert verdict(rows).verdict is Verdict.NEW


def test_a_known_flake_that_was_not_repeated_tonight_is_a_new_failure():
    assert verdict([*_often_flaky(), row(".", 20), row("F", 21)]).verdict is Verdict.NEW


def test_a_known_flake_that_fails_more_often_than_ever_is_no_flake_any_more():
    bad = [row("F", night) for night in range(20, 28)]
    assert verdict([*_often_flaky(), *bad, row("F", 20, source="confirmation")]).verdict is Verdict.RECURRING


def test_a_rare_flake_that_fails_twice_on_one_image_is_a_new_failure():
    rare = [*drawn("." * 10 + "F" + "." * 10), row(".", 10, source="confirmation")]
    assert verdict([*rare, row("F", 21), row("F", 21, source="confirmation")]).verdict is Verdict.NEW


def test_nights_of_the_mock_and_of_the_real_engine_are_never_mixed():
    rows = [row(".", 0, engine_kind="real"), row("F", 1)]
    assert verdict(rows).verdict is Verdict.UNKNOWN
    assert pasts(rows, until=day(1), engine="real")[TEST][-1].date == day(0)


def test_an_import_is_of_the_real_engine():
    rows = [row(".", 0, engine_kind=None, source="import"), row("F", 1, engine_kind="real")]
    assert len(pasts(rows, until=day(1), engine="real")[TEST]) == 2
    assert len(pasts([row(".", 0, engine_kind=None)], until=day(1), engine="real")) == 0


def test_a_night_of_the_past_is_judged_by_its_own_past():
    rows = list(drawn(".F.FFF"))
    assert verdict(rows, tonight=day(3)).verdict is Verdict.NEW
    assert verdict(rows, tonight=day(4)).nights == 2


def test_the_strip_shows_the_last_nights_with_gaps():
    found = verdict(list(drawn("." * 20 + "-F")))
    assert len(found.strip) == STRIP_NIGHTS
    assert found.strip[-1].date == day(21)


SIGNS = st.text(".xFECsnc-", min_size=1, max_size=12)


@given(SIGNS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_count(signs, random):
    rows = list(drawn(signs))
    if not rows:
        return
    shuffled = random.sample(rows, len(rows))
    assert verdict(shuffled) == verdict(rows)


@given(SIGNS, SIGNS)
def test_what_comes_later_changes_no_verdict(signs, later):
    before = list(drawn(signs))
    if not before:
        return
    night = before[-1].date
    rows = [*before, *drawn(f"{'-' * len(signs)}{later}")]
    assert _timeless(verdict(rows, tonight=night)) == _timeless(verdict(before, tonight=night))


@given(SIGNS)
def test_only_what_was_bad_has_a_bad_verdict_and_nothing_bad_goes_without(signs):
    rows = list(drawn(signs))
    if not rows:
        return
    found = verdict(rows)
    bad = rows[-1].result in BAD_RESULTS
    assert (
        bad == (found is not None and found.verdict not in {Verdict.FIXED, Verdict.FLAKY}) or signs[-1] == "x"
    )


@given(st.text(".FECsnc-", min_size=1, max_size=12))
def test_results_of_different_images_are_never_a_flake(signs):
    rows = list(drawn(signs))
    found = verdict(rows) if rows else None
    assert found is None or found.verdict is not Verdict.FLAKY


def _timeless(found):
    return found and found.model_copy(update={"strip": ()})


def test_what_a_search_saw_days_later_is_no_proof_of_a_flake():
    """It asks old images again when what is around them may have changed: a service is away, and both ends are bad."""
    later = [row("F", 1, source="bisect"), row(".", 2, source="bisect")]
    found = verdict([*drawn("..FF"), *later])
    assert (found.verdict, found.since, found.last_good) == (Verdict.RECURRING, day(2), day(1))
