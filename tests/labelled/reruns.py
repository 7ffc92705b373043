"""Confirming reruns as the pipeline makes them: bounded, on the same image, then on that on which it was good last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from nightly_pipeline.model.confirmation import Limits
from nightly_pipeline.model.history import TestResult, TestRow
from tests.labelled.runs import Run, Runner
from tests.labelled.suite import STAGES, Key, stage_of

_Place = tuple[str, str]


class Reruns:
    """Repeats what is asked for, and knows on which image each test was good last."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.limits = runner, Limits()
        self.good_on: dict[Key, str] = {}

    def of(self, ran: Mapping[Key, Sequence[Run]], wanted: Sequence[Key], night: int) -> list[TestRow]:
        """The rows of a night's reruns.

        Args:
            ran: every test that has a cause, and its runs of the night.
            wanted: what is to be repeated, as far as the limits let it be.
            night: its number.
        """
        bad: dict[_Place, int] = defaultdict(int)
        for key, runs in ran.items():
            bad[_place(key)] += bool(runs and runs[-1].cause)
        asked: dict[_Place, list[Key]] = defaultdict(list)
        for key in wanted if night not in self.runner.scenario.unconfirmed else ():
            asked[_place(key)].append(key)
        made: list[TestRow] = []
        for (framework, stage), keys in asked.items():
            if bad[framework, stage] <= self.limits.max_failed_share * STAGES[stage]:
                made += self._of_stage(
                    {key: ran[key][-1].row for key in keys[: self.limits.max_tests]}, night
                )
        self._note(ran)
        return made

    def _of_stage(self, rows: Mapping[Key, TestRow], night: int) -> list[TestRow]:
        again = {key: self.runner.again(key, row, night) for key, row in rows.items()}
        bad = [key for key, (_, cause) in again.items() if cause]
        earlier = self._earlier_image(bad, rows, night)
        checked = [key for key in bad if earlier and self.good_on.get(key) == earlier]
        return [
            *(row for row, _ in again.values()),
            *(self.runner.again(key, rows[key], night, earlier)[0] for key in checked),
        ]

    def _earlier_image(self, bad: Sequence[Key], rows: Mapping[Key, TestRow], night: int) -> str | None:
        """The newest on which one of them was good, if it is another than tonight's and still there."""
        if night in self.runner.scenario.forgotten:
            return None
        others = {self.good_on[key] for key in bad if key in self.good_on} - {
            rows[key].image_digest for key in bad
        }
        return max(others, key=lambda digest: int(digest[-4:]), default=None)

    def _note(self, ran: Mapping[Key, Sequence[Run]]) -> None:
        for key, runs in ran.items():
            for run in runs:
                if run.row.result is TestResult.PASSED and run.row.image_digest:
                    self.good_on[key] = run.row.image_digest


def _place(key: Key) -> _Place:
    return key[0], stage_of(key[1])
