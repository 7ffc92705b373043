"""What is remembered of every night: partitioned Parquet, queried with DuckDB. `steps.ports.History`.

A file that is damaged or not ours is left out and named (`problems`): a history that lacks a night must not look
like one in which that night was good.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from nightly_pipeline.model.history import (
    BAD_RESULTS,
    EntryRow,
    NightRow,
    SharedRow,
    TestIdentity,
    TestRow,
)
from nightly_pipeline.tools.history_files import (
    NIGHT_PART,
    ROWS_A_GROUP,
    HistoryProblem,
    run_path,
    write_parquet,
    writing,
)
from nightly_pipeline.tools.history_packing import pack
from nightly_pipeline.tools.history_query import HistoryReader, Question
from nightly_pipeline.tools.history_table import RowT, rows_of, table_of

_EARLIEST = dt.datetime.min.replace(tzinfo=dt.UTC)
_FEW = 200
"""So many node ids are compared one by one, which lets whole row groups be skipped."""

_NIGHT, _ENTRY, _TEST, _IDENTITY = (
    tuple(row.model_fields) for row in (NightRow, EntryRow, TestRow, TestIdentity)
)
_NIGHTS = f"""
SELECT {", ".join(_NIGHT)} FROM history WHERE record = 'night' ORDER BY date, started_at NULLS FIRST, run_id
"""  # noqa: S608 - our own words
_ENTRIES = f"SELECT record, {', '.join(_ENTRY)} FROM history WHERE record < 'test'"  # noqa: S608 - our own words
"""Entries and nights, in a way that lets row groups of tests be skipped."""
_TESTS = f"SELECT {', '.join(_TEST)} FROM history"  # noqa: S608 - our own words
_IS_BAD = "result IN ({})".format(", ".join(f"'{word.value}'" for word in sorted(BAD_RESULTS)))
_BAD_TESTS = f"""
SELECT DISTINCT {", ".join(_IDENTITY)} FROM history WHERE record = 'test' AND {_IS_BAD} ORDER BY ALL
"""  # noqa: S608 - our own words
_SHARED = ", ".join(name for name in _TEST if name not in {"node_id", "duration_s"})
"""What several tests may have in common."""
_SHARED_ROWS = f"""
SELECT {_SHARED}, list(place) AS places,
    CASE WHEN min(place) = max(place) THEN any_value(node_id) ELSE '' END AS node_id,
    CASE WHEN min(place) = max(place) THEN any_value(duration_s) END AS duration_s
FROM history JOIN wanted USING ({", ".join(_IDENTITY)})
WHERE record = 'test' AND {{among}}
GROUP BY {_SHARED}, part, alone
ORDER BY date, finished_at NULLS FIRST, run_id, part, {_SHARED}, min(place)
"""  # noqa: S608 - our own words
_IN_ORDER = "ORDER BY framework, arch, stage, node_id, date, finished_at NULLS FIRST, run_id, part"


class ParquetHistory:
    """The history below a folder. Safe to use from several processes at a time; each query sees whole runs.

    Args:
        root: the folder; it is made by the first write.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._reader = HistoryReader(root)

    def __repr__(self) -> str:
        return f"ParquetHistory({str(self._root)!r})"

    def write(self, night: NightRow, entries: Sequence[EntryRow], tests: Sequence[TestRow]) -> None:
        """Write a run's rows, whole or not at all; a run that is there already is replaced.

        Raises:
            ValueError: a row is of another night or run.
            DiskFull, EnvironmentNotReady: the folder cannot be written to; the history is as it was.
        """
        _check([*entries, *tests], night.date, night.run_id)
        table = table_of(tests, NIGHT_PART, entries=entries, night=night)
        self._put(table, night.date, night.run_id, NIGHT_PART)

    def add(self, tests: Sequence[TestRow], *, date: str, run_id: str, part: str) -> None:
        """Add rows that came otherwise (a confirming rerun, an import); the same part of a run is replaced.

        Raises:
            ValueError: a row is of another night or run, or the part is the night's own.
            DiskFull, EnvironmentNotReady: the folder cannot be written to; the history is as it was.
        """
        if part == NIGHT_PART:
            raise ValueError(f"part {NIGHT_PART!r} is what `write` writes")
        _check(tests, date, run_id)
        self._put(table_of(tests, part), date, run_id, part)

    def nights(self, *, since: str | None = None, until: str | None = None) -> list[NightRow]:
        """The runs on record, by date and then by their start."""
        return self._rows(NightRow, Question(_NIGHTS, _NIGHT, since=since, until=until))

    def entries(self, *, since: str | None = None, until: str | None = None) -> list[EntryRow]:
        """Images, publications and stages of those nights: the newest result of each date."""
        columns = self._reader.ask(Question(_ENTRIES, ("record", *_ENTRY), since=since, until=until))
        return _newest(columns.pop("record"), rows_of(EntryRow, columns))

    def tests(self, date: str, *, run_id: str | None = None, bad_only: bool = False) -> list[TestRow]:
        """Every test of one night (or of one run of it), whatever its source."""
        conditions, values = ["record = 'test'"], list[str]()
        if run_id is not None:
            conditions.append("run_id = ?")
            values.append(run_id)
        if bad_only:
            conditions.append(_IS_BAD)
        query = f"{_TESTS} WHERE {' AND '.join(conditions)} {_IN_ORDER}"
        return self._rows(TestRow, Question(query, _TEST, values, since=date, until=date))

    def of_tests(
        self, identities: Sequence[TestIdentity], *, since: str | None = None, until: str | None = None
    ) -> list[TestRow]:
        """Every row of these tests, a test's rows together, oldest first."""
        if not identities:
            return []
        wanted = _wanted(identities)
        among, values = _among(wanted)
        query = f"""
            {_TESTS} SEMI JOIN wanted USING ({", ".join(_IDENTITY)}) WHERE record = 'test' AND {among} {_IN_ORDER}"""
        tables = {"wanted": pa.table(wanted)}
        return self._rows(TestRow, Question(query, _TEST, values, since, until, tables))

    def shared_rows(
        self,
        identities: Sequence[TestIdentity],
        *,
        alone: Collection[TestIdentity] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> list[SharedRow]:
        """The same in far fewer rows, oldest first: one for all the tests of which it says the same."""
        if not identities:
            return []
        wanted, places = _wanted(identities), range(len(identities))
        among, values = _among(wanted)
        own = [place if test in alone else None for place, test in enumerate(identities)]
        tables = {"wanted": pa.table({**wanted, "place": places, "alone": pa.array(own, pa.int64())})}
        query = _SHARED_ROWS.format(among=among)
        columns = self._reader.ask(Question(query, (*_TEST, "places"), values, since, until, tables))
        shared_by = columns.pop("places")
        return [SharedRow(*one) for one in zip(rows_of(TestRow, columns), shared_by, strict=True)]

    def bad_tests(self, *, since: str, until: str) -> list[TestIdentity]:
        """The tests that were bad in one of these nights, in order."""
        return self._rows(TestIdentity, Question(_BAD_TESTS, _IDENTITY, since=since, until=until))

    def pack(self, *, before: str) -> list[str]:
        """Put each month before that of this date into one file, which makes its tests' histories quick to read.

        Returns the months that were packed. Readers see no difference, nor do they of a packing that is killed.
        """
        return pack(self._root, before=before)

    def problems(self, *, thorough: bool = False) -> list[HistoryProblem]:
        """The files that are left out, and why. What is told of the past may lack what they hold.

        Args:
            thorough: read every page and compare its checksum, instead of each file's footer alone.
        """
        return self._reader.problems(thorough=thorough)

    def _rows(self, row: type[RowT], question: Question) -> list[RowT]:
        return rows_of(row, self._reader.ask(question))

    def _put(self, table: pa.Table, date: str, run_id: str, part: str) -> None:
        path = run_path(self._root, date, run_id, part)
        with writing(self._root):
            write_parquet(path, table.to_batches(), group=ROWS_A_GROUP)


def _newest(records: Sequence[str], rows: Sequence[EntryRow]) -> list[EntryRow]:
    """Of each entry the one of the newest run that saw it; rows of nights tell when each run began."""
    began = _began(row for record, row in zip(records, rows, strict=True) if record == "night")

    def age(row: EntryRow) -> tuple[bool, dt.datetime, str]:
        return row.seen, began.get((row.date, row.run_id), _EARLIEST), row.run_id

    entries = (row for record, row in zip(records, rows, strict=True) if record == "entry")
    newest = {(row.date, row.framework, row.arch, row.name): row for row in sorted(entries, key=age)}
    return sorted(
        newest.values(), key=lambda row: (row.date, row.framework, row.arch is None, row.arch or "", row.name)
    )


def _began(nights: Iterable[EntryRow]) -> dict[tuple[str, str], dt.datetime]:
    """(date, run id) -> the start of the run, as far as it is known."""
    began: dict[tuple[str, str], dt.datetime] = {}
    for night in nights:
        if night.started_at is not None:
            run = (night.date, night.run_id)
            began[run] = max(night.started_at, began.get(run, night.started_at))
    return began


def _check(rows: Sequence[EntryRow | TestRow], date: str, run_id: str) -> None:
    for row in rows:
        if (row.date, row.run_id) != (date, run_id):
            raise ValueError(f"a row of {row.date}, run {row.run_id}, among those of {date}, run {run_id}")


def _wanted(identities: Iterable[TestIdentity]) -> dict[str, list[str]]:
    """Tests as a table."""
    return {name: [getattr(one, name) for one in identities] for name in _IDENTITY}


def _among(wanted: Mapping[str, Sequence[str]]) -> tuple[str, list[str]]:
    """A condition that lets row groups without any of these tests be skipped, and its values."""
    found = [_column_among(name, values) for name, values in wanted.items()]
    return " AND ".join(condition for condition, _ in found), [value for _, some in found for value in some]


def _column_among(column: str, values: Sequence[str]) -> tuple[str, list[str]]:
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return f"{column} = ?", distinct
    if len(distinct) <= _FEW:
        return f"{column} IN ({', '.join('?' * len(distinct))})", distinct
    return f"{column} BETWEEN ? AND ?", [distinct[0], distinct[-1]]
