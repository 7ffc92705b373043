"""A history in memory, by the rules of the real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.history import BAD_RESULTS, EntryRow, NightRow, TestIdentity, TestRow

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass
class MemoryHistory:
    """What is written is kept by (date, run id, part).

    Attributes:
        refuses: an error every write raises.
        left_out: what `problems` says.
    """

    refuses: NightlyError | None = None
    left_out: list[object] = field(default_factory=list)
    runs: dict[tuple[str, str], tuple[NightRow, list[EntryRow]]] = field(default_factory=dict)
    parts: dict[tuple[str, str, str], list[TestRow]] = field(default_factory=dict)

    def write(self, night: NightRow, entries: Sequence[EntryRow], tests: Sequence[TestRow]) -> None:
        if self.refuses:
            raise self.refuses
        self.runs[night.date, night.run_id] = (night, list(entries))
        self.parts[night.date, night.run_id, "night"] = list(tests)

    def add(self, tests: Sequence[TestRow], *, date: str, run_id: str, part: str) -> None:
        if self.refuses:
            raise self.refuses
        self.parts[date, run_id, part] = list(tests)

    def nights(self, *, since: str | None = None, until: str | None = None) -> list[NightRow]:
        nights = [night for night, _ in self.runs.values() if _within(night.date, since, until)]
        return sorted(nights, key=lambda night: (night.date, night.started_at or _LONG_AGO, night.run_id))

    def entries(self, *, since: str | None = None, until: str | None = None) -> list[EntryRow]:
        newest: dict[tuple[str, str, str, str], EntryRow] = {}
        for night in self.nights(since=since, until=until):
            for entry in self.runs[night.date, night.run_id][1]:
                key = (entry.date, entry.framework, entry.arch or "~", entry.name)
                if entry.seen or key not in newest or not newest[key].seen:
                    newest[key] = entry
        return [newest[key] for key in sorted(newest)]

    def tests(self, date: str, *, run_id: str | None = None, bad_only: bool = False) -> list[TestRow]:
        return [
            row
            for row in self._rows(date, date)
            if run_id in {None, row.run_id} and (not bad_only or row.result in BAD_RESULTS)
        ]

    def of_tests(
        self, identities: Sequence[TestIdentity], *, since: str | None = None, until: str | None = None
    ) -> list[TestRow]:
        wanted = set(identities)
        return [row for row in self._rows(since, until) if row.identity in wanted]

    def recent_bad(self, until: str, nights: int, *, since: str | None = None) -> list[TestRow]:
        dates = sorted({row.date for row in self._rows(None, until)})[-nights:]
        bad = {
            row.identity for row in self._rows(None, until) if row.date in dates and row.result in BAD_RESULTS
        }
        return self.of_tests(sorted(bad, key=str), since=since, until=until)

    def problems(self) -> Sequence[object]:
        return self.left_out

    def _rows(self, since: str | None, until: str | None) -> list[TestRow]:
        found = [
            (row, part)
            for (date, _, part), rows in self.parts.items()
            for row in rows
            if _within(date, since, until)
        ]
        return [row for row, _ in sorted(found, key=_order)]


def _order(found: tuple[TestRow, str]) -> tuple[object, ...]:
    row, part = found
    test = (row.framework, row.arch, row.stage, row.node_id)
    return (*test, row.date, row.finished_at or _LONG_AGO, row.run_id, part)


def _within(date: str, since: str | None, until: str | None) -> bool:
    return (since or "") <= date <= (until or "9999")
