"""Between which nights to search: the last good one before a test went bad, and the first bad one after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.history import EntryRow, TestIdentity
from nightly_pipeline.model.past import TestNight


@dataclass(frozen=True)
class NightImage:
    """A runtime image of a night, as the history remembers it.

    Attributes:
        revision: the commit.
        dirty: it was built from more than that commit.
    """

    date: str
    run_id: str
    digest: str
    revision: str
    dirty: bool = False


def night_ends(test: TestIdentity, nights: Sequence[TestNight]) -> tuple[str, str]:
    """The last good night before the newest row of bad ones, and the first bad night of that row.

    Nights on which the test did not run, or passed and failed on one image, lie between, and are what is searched.

    Raises:
        RecordError: it was never bad, or only by chance, or never good before.
    """
    told = [night for night in nights if (night.good or night.bad) and not night.mixed]
    last_bad = max((place for place, night in enumerate(told) if night.bad), default=None)
    if last_bad is None:
        raise _never_bad(test, [night for night in nights if night.mixed])
    first_bad = last_bad
    while first_bad and told[first_bad - 1].bad:
        first_bad -= 1
    if not first_bad:
        raise RecordError(
            f"{test.node_id} was bad on {told[0].date} already, the first night on record that ran it",
            next_step="Name a night when it was good with --good, or bring an older past with nightly import.",
        )
    return told[first_bad - 1].date, told[first_bad].date


def _never_bad(test: TestIdentity, flaky: Sequence[TestNight]) -> RecordError:
    if not flaky:
        return RecordError(
            f"{test.node_id} was never bad in the nights on record", next_step="Name them: --good, --bad."
        )
    return RecordError(
        f"{test.node_id} was bad by chance alone: on {flaky[-1].date} it passed and failed on one and the same image",
        next_step="A flake has no first bad commit. If it has become worse: --good, --bad and --repeat.",
    )


def images_between(
    entries: Iterable[EntryRow], test: TestIdentity, good: str, bad: str, *, engine_kind: str
) -> dict[str, NightImage]:
    """The runtime images of the test's cell from one night to another, by night; of each night the newest.

    Raises:
        RecordError: one of the two nights has none.
    """
    found = {
        row.date: _image(row.date, row.run_id, row.digest, row.source_revision)
        for row in entries
        if (row.framework, row.arch, row.name) == (test.framework, test.arch, "runtime_image")
        and good <= row.date <= bad
        and row.good
        and row.digest
        and row.source_revision
        and row.engine_kind in {engine_kind, None}
    }
    for night in (good, bad):
        if night not in found:
            raise RecordError(
                f"the history knows no image of {test.framework} {test.arch} of the night of {night}",
                next_step="Choose another night with --good or --bad: nightly images lists those there are.",
            )
    return dict(sorted(found.items()))


def _image(date: str, run_id: str, digest: str, label: str) -> NightImage:
    revision, dirty, _ = label.partition("-dirty")
    return NightImage(date, run_id, digest, revision, dirty=bool(dirty))
