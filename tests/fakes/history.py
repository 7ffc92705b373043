"""A history in memory that behaves as `steps.ports.History` says, and can be told to be out of reach."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nightly_pipeline.model.history import (
    BAD_RESULTS,
    EntryRow,
    NightRow,
    SharedRow,
    TestIdentity,
    TestRow,
)


@dataclass
class MemoryHistory:
    """Rows as they were written, a run at a time.

    Attributes:
        nights_by_run, entries_by_run, tests_by_run: (date, run id) -> what `write` was given for it.
        parts: (date, run id, part) -> what `add` was given.
        refusal: the error that every call raises, when there is one.
        left_out: what `problems` says.
    """

    nights_by_run: dict[tuple[str, str], NightRow] = field(default_factory=dict)
    entries_by_run: dict[tuple[str, str], tuple[EntryRow, ...]] = field(default_factory=dict)
    tests_by_run: dict[tuple[str, str], tuple[TestRow, ...]] = field(default_factory=dict)
    parts: dict[tuple[str, str, str], tuple[TestRow, ...]] = field(default_factory=dict)
    refusal: Exception | None = None
    left_out: tuple[object, ...] = ()

    def write(self, night: NightRow, entries: Sequence[EntryRow], tests: Sequence[TestRow]) -> None:
        self._open()
        run = (night.date, night.run_id)
        self.nights_by_run[run] = night
        self.entries_by_run[run] = tuple(entries)
        self.tests_by_run[run] = tuple(tests)

    def add(self, tests: Sequence[TestRow], *, date: str, run_id: str, part: str) -> None:
        self._open()
        self.parts[date, run_id, part] = tuple(tests)

    def nights(self, *, since: str | None = None, until: str | None = None) -> list[NightRow]:
        self._open()
        found = [one for one in self.nights_by_run.values() if _within(one.date, since, until)]
        return sorted(found, key=_start)

    def entries(self, *, since: str | None = None, until: str | None = None) -> list[EntryRow]:
        newest: dict[tuple[str, str, str | None, str], EntryRow] = {}
        for night in self.nights(since=since, until=until):
            for row in self.entries_by_run[night.date, night.run_id]:
                key = (row.date, row.framework, row.arch, row.name)
                if row.seen or key not in newest:
                    newest[key] = row
        return sorted(newest.values(), key=lambda row: row.date)

    def tests(self, date: str, *, run_id: str | None = None, bad_only: bool = False) -> list[TestRow]:
        self._open()
        bad = {"failed", "error", "crashed"}
        return [
            row
            for row in self._rows()
            if row.date == date
            and (run_id is None or row.run_id == run_id)
            and (not bad_only or row.result in bad)
        ]

    def of_tests(
        self, identities: Sequence[TestIdentity], *, since: str | None = None, until: str | None = None
    ) -> list[TestRow]:
        self._open()
        wanted = set(identities)
        rows = [row for row in self._rows() if row.identity in wanted and _within(row.date, since, until)]
        return sorted(rows, key=lambda row: (row.date, row.finished_at.timestamp() if row.finished_at else 0))

    def shared_rows(
        self,
        identities: Sequence[TestIdentity],
        *,
        alone: Collection[TestIdentity] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> list[SharedRow]:
        return together(self.of_tests(identities, since=since, until=until), identities, alone)

    def bad_tests(self, *, since: str, until: str) -> list[TestIdentity]:
        self._open()
        bad = (row for row in self._rows() if since <= row.date <= until and row.result in BAD_RESULTS)
        return sorted({row.identity for row in bad}, key=str)

    def problems(self) -> Sequence[object]:
        return self.left_out

    def _rows(self) -> Iterator[TestRow]:
        for rows in (*self.tests_by_run.values(), *self.parts.values()):
            yield from rows

    def _open(self) -> None:
        if self.refusal is not None:
            raise self.refusal


def together(
    rows: Iterable[TestRow], identities: Sequence[TestIdentity], alone: Collection[TestIdentity]
) -> list[SharedRow]:
    """Rows as `shared_rows` gives them: those that differ in nothing but the test and its duration are one."""
    place_of = {test: place for place, test in enumerate(identities)}
    found: dict[TestRow, list[TestRow]] = {}
    for row in rows:
        nameless = row.model_copy(update={"node_id": "", "duration_s": 0.0})
        found.setdefault(row if row.identity in alone else nameless, []).append(row)
    return [
        SharedRow(
            own[0] if len({row.node_id for row in own}) == 1 else shared,
            [place_of[row.identity] for row in own],
        )
        for shared, own in found.items()
    ]


def _start(night: NightRow) -> tuple[str, float]:
    return night.date, night.started_at.timestamp() if night.started_at else 0.0


def _within(date: str, since: str | None, until: str | None) -> bool:
    return (since is None or date >= since) and (until is None or date <= until)
