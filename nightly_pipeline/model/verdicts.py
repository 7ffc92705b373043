"""What one test's result means, seen over time. The rules, in words: docs/verdicts.md.

A night of a past that was proven flaky counts as one on which the test was good: it passed on that image. What did
not run, was skipped or only collected is neither good nor bad: it is looked past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import prod

from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS, TestResult, TestRow
from nightly_pipeline.model.judgement import NightResult, TestVerdict, Verdict
from nightly_pipeline.model.past import TestNight, passed_and_failed
from nightly_pipeline.model.surroundings import fails_where_it_was_good, spreads

STRIP_NIGHTS = 14
RATE_NIGHTS = 30
"""Over how many nights the rate of a known flake is counted."""
LEAST_LIKELY = 0.01
"""A row of bad results that a flake's own rate makes less likely than this is no flake any more."""

VERDICT_ORDER = (
    Verdict.NEW,
    Verdict.RECURRING,
    Verdict.UNKNOWN,
    Verdict.ENVIRONMENT,
    Verdict.FLAKY,
    Verdict.FIXED,
    Verdict.QUARANTINED,
)
"""What a reader has to look at first comes first."""

_NOT_THE_TESTS_DOING = frozenset({Verdict.FLAKY, Verdict.ENVIRONMENT})


@dataclass(frozen=True)
class Background:
    """What is known beside a test's own rows.

    Attributes:
        date: the night that is judged.
        dates: nights on record up to it, oldest first.
        environment: night -> signatures of errors that did not come from its images; see `surroundings`.
    """

    date: str
    dates: tuple[str, ...] = ()
    environment: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def strip_dates(self) -> tuple[str, ...]:
        """The nights that a strip shows, oldest first."""
        return tuple(sorted({*self.dates, self.date})[-STRIP_NIGHTS:])


def judge_test(nights: Sequence[TestNight], background: Background) -> TestVerdict | None:
    """The verdict on a test that was bad, flaky or fixed on the night that is judged; None for any other.

    Args:
        nights: the test's nights up to that one, oldest first.
        background: what is known beside.
    """
    if not nights or nights[-1].date != background.date:
        return None
    tonight = nights[-1]
    found = _of_bad(nights, background) if tonight.bad else _of_good(nights, background)
    if found is None:
        return None
    verdict, why = found
    return _told(nights, background, verdict, why)


def bad_row(nights: Sequence[TestNight], background: Background) -> list[TestNight]:
    """The newest nights in a row on which the test was bad, oldest first; empty when it was good the last time."""
    row: list[TestNight] = []
    for night in reversed(nights):
        if row and (night.mixed or _another_environment(night, row[0], background)):
            break
        if night.bad:
            row.insert(0, night)
        elif night.good:
            break
    return row


def signature_row(nights: Sequence[TestNight], background: Background) -> list[TestNight]:
    """The newest part of that row with the error of its newest night."""
    row = bad_row(nights, background)
    error = row[-1].row.signature if row else None
    begin = next((at for at in range(len(row), 0, -1) if row[at - 1].row.signature != error), 0)
    return row[begin:]


def _of_bad(nights: Sequence[TestNight], background: Background) -> tuple[Verdict, str]:
    row = bad_row(nights, background)
    return (
        _flaky(nights, background)
        or _known_flake(nights, row, background)
        or _recurring(nights, row, background)
        or _unknown(nights, row)
        or _environment(nights, background)
        or (Verdict.NEW, f"good the last time it ran{_what_reruns_showed(nights[-1])}")
    )


def _what_reruns_showed(tonight: TestNight) -> str:
    """How much a new failure stands on: what was not repeated may still be chance, or around the test."""
    if not tonight.confirmed:
        return "; not repeated, so it may be by chance or by what is around it"
    if any(check.result in GOOD_RESULTS for check in tonight.checks):
        return ", bad again when repeated, and good on the image on which it was good before"
    return " and bad again when repeated; not on an image on which it was good, so what is around it may have changed"


def _of_good(nights: Sequence[TestNight], background: Background) -> tuple[Verdict, str] | None:
    tonight, before = nights[-1], nights[:-1]
    if tonight.good and tonight.mixed:
        return Verdict.FLAKY, "passed and failed tonight on one and the same image"
    row = bad_row(before, background)
    if not tonight.good or not row or row[-1].mixed:
        return None
    then = _of_bad(_until(before, row[-1]), background)[0]
    if _on_image(row[-1].row, tonight) and then is not Verdict.ENVIRONMENT:
        return Verdict.FLAKY, f"passed tonight and failed on {row[-1].date} on one and the same image"
    if then in _NOT_THE_TESTS_DOING or _proof(before[-RATE_NIGHTS:], row[-1].row.signature, background):
        return None  # it was bad by chance, or by what is around it: that it passes is no mending
    return Verdict.FIXED, f"good tonight, bad on {row[-1].date}"


def _until(nights: Sequence[TestNight], last: TestNight) -> Sequence[TestNight]:
    return nights[: next(at for at, night in enumerate(nights) if night is last) + 1]


def _flaky(nights: Sequence[TestNight], background: Background) -> tuple[Verdict, str] | None:
    """The proof on tonight's image: a pass and a fail tonight, or a pass on an earlier night that had this image.

    When it only passed on earlier nights, and is bad whenever it is run tonight, something around it changed. So it
    did when others showed that the error is not the image's, unless it is one this test has had by chance before.
    """
    tonight = nights[-1]
    if _from_outside(tonight, background):  # hardly ever, so what it had before is only looked for then
        window = nights[:-1][-RATE_NIGHTS:]
        if not _proof(window, tonight.row.signature, background):
            return None
    if tonight.mixed:
        return Verdict.FLAKY, "passed and failed tonight on one and the same image"
    digest = tonight.row.image_digest
    ran = (run for night in nights[:-1] for run in night.runs)
    earlier = [run for run in ran if digest is not None and run.image_digest == digest]
    passes = [run for run in earlier if run.result in GOOD_RESULTS]
    if passes and (passed_and_failed(earlier) or not tonight.confirmed):
        return Verdict.FLAKY, f"failed tonight and passed on {passes[-1].date} on one and the same image"
    return None


def _known_flake(
    nights: Sequence[TestNight], row: Sequence[TestNight], background: Background
) -> tuple[Verdict, str] | None:
    """Bad tonight also when repeated, but not worse than its rate of late lets expect, with the error proven flaky."""
    window = nights[:-1][-RATE_NIGHTS:]
    proof = _proof(window, nights[-1].row.signature, background)
    if not proof or not any(night.confirmed for night in row):
        return None
    since = row[0].date
    runs = [run for night in window if night.date < since for run in night.same_image]
    failures = sum(map(_failures, runs))
    failed = sum(_failures(run) for night in row for run in (*night.same_image, *night.checks))
    if _likelihood(failed, failures=failures, runs=len(runs)) < LEAST_LIKELY:
        return None
    why = (
        f"passed and failed on one image on {proof[-1].date} with this error; of late {failures} of {len(runs)} "
        "of its runs failed"
    )
    return Verdict.FLAKY, why


def _likelihood(times: int, *, failures: int, runs: int) -> float:
    """How likely a test that failed so often in so many runs is to fail a number of times on end.

    A few runs say little of the true rate, so it is taken over all rates that fit them (beta-binomial).
    """
    return prod((failures + 0.5 + at) / (runs + 1 + at) for at in range(times))


def _proof(nights: Sequence[TestNight], signature: str | None, background: Background) -> list[TestNight]:
    """Nights on which the test passed and failed with this error on one and the same image, by chance."""
    mixed = (night for night in nights if signature and night.mixed and signature in night.signatures)
    return [night for night in mixed if not _from_outside(night, background)]


def _environment(nights: Sequence[TestNight], background: Background) -> tuple[Verdict, str] | None:
    """Bad now on last night's image, too, where it was good: what changed is not in the image."""
    tonight = nights[-1]
    if fails_where_it_was_good(nights):
        return Verdict.ENVIRONMENT, "bad tonight on last night's image as well, where it was good"
    if any(check.result in GOOD_RESULTS for check in tonight.checks):
        return None
    if tonight.confirmed and any(_on_image(run, tonight) for night in nights[:-1] for run in night.runs):
        return Verdict.ENVIRONMENT, "bad tonight on an image on which it was good before"
    if not _from_outside(tonight, background):
        return None
    if tonight.mixed:
        return (
            Verdict.ENVIRONMENT,
            "good when repeated, as were tests of other images with this error tonight",
        )
    return Verdict.ENVIRONMENT, "other tests with this error tonight showed that it is not the image's doing"


def _from_outside(night: TestNight, background: Background) -> bool:
    """Whether other tests showed that the error of a night has to do with no image."""
    known = night.row.signature in background.environment.get(night.date, frozenset())
    return known and spreads(night.row.message or "")


def _recurring(
    nights: Sequence[TestNight], row: Sequence[TestNight], background: Background
) -> tuple[Verdict, str] | None:
    if len(row) <= 1:
        return None
    same = signature_row(nights, background)
    other = "" if len(same) == len(row) else f", with this error since {same[0].date}"
    return Verdict.RECURRING, f"bad on {len(row)} nights in a row{other}"


def _unknown(nights: Sequence[TestNight], row: Sequence[TestNight]) -> tuple[Verdict, str] | None:
    before = any(night.good or night.bad for night in nights[: -len(row)])
    return None if before else (Verdict.UNKNOWN, "it never ran before")


def _told(nights: Sequence[TestNight], background: Background, verdict: Verdict, why: str) -> TestVerdict:
    """The verdict with its dates."""
    tonight = nights[-1]
    row = bad_row(nights if tonight.bad else nights[:-1], background)
    if verdict is Verdict.FLAKY and not tonight.bad and tonight.mixed:
        row = [tonight]
    first = row[0] if row else tonight
    last_good = next((night for night in reversed(nights) if night.good and night.date < first.date), None)
    return TestVerdict(
        test=tonight.row.identity,
        verdict=verdict,
        since=first.date,
        nights=len(row),
        first_bad_revision=first.row.source_revision,
        last_good=last_good.date if last_good else None,
        last_good_revision=last_good.row.source_revision if last_good else None,
        strip=_strip(nights, background),
        why=why,
    )


def _strip(nights: Sequence[TestNight], background: Background) -> tuple[NightResult, ...]:
    known = {night.date: (night.row.result, night.mixed) for night in nights}
    return tuple([_square(date, *known.get(date, (None, False))) for date in background.strip_dates])


@lru_cache(maxsize=512)
def _square(date: str, result: TestResult | None, flaky: bool) -> NightResult:  # noqa: FBT001 - of a pair
    """Made once: on one night few results differ."""
    return NightResult(date=date, result=result, flaky=flaky)


def _another_environment(night: TestNight, later: TestNight, background: Background) -> bool:
    """Whether a night was bad for reasons outside the image, and the next bad one for another reason."""
    known = night.row.signature in background.environment.get(night.date, frozenset())
    return known and night.row.signature != later.row.signature


def _failures(run: TestRow) -> int:
    return int(run.result in BAD_RESULTS) or min(run.failed_attempts, 1)


def _on_image(run: TestRow, night: TestNight) -> bool:
    return run.image_digest is not None and run.image_digest == night.row.image_digest
