"""Asks the files of the history with DuckDB, and finds out which of them must be left out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.tools.history_files import (
    HistoryProblem,
    Month,
    deep_flaw_of,
    first_line,
    flaw_of,
    months,
)
from nightly_pipeline.tools.history_table import SCHEMA

MEMORY_LIMIT = "400MB"
"""Of DuckDB's own; what does not fit is spilled to the disk."""
_CONFIG = {
    "memory_limit": MEMORY_LIMIT,
    "autoinstall_known_extensions": "false",  # nothing is fetched while a night is summarised
    "autoload_known_extensions": "false",
}
_TRIES = 5
_GLOB = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]"})
_Stamp = tuple[int, int, int]


@dataclass
class _Flaws:
    """What is known of each file's soundness; a file that changed is looked at again."""

    known: dict[Path, tuple[_Stamp, str | None]] = field(default_factory=dict)

    def of(self, path: Path, *, thorough: bool = False) -> str | None:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self.known.get(path)
        if known is None or known[0] != stamp or (thorough and known[1] is None):
            known = (stamp, _deep_flaw(path) if thorough else flaw_of(path))
            self.known[path] = known
        return known[1]


@dataclass(frozen=True)
class Question:
    """A query over the view `history`: every row of the nights from `since` to `until`.

    Attributes:
        columns: the columns of the answer that are wanted.
        values: of the query's question marks.
        tables: more that the query names.
    """

    query: str
    columns: Sequence[str]
    values: Sequence[Any] = ()
    since: str | None = None
    until: str | None = None
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


class HistoryReader:
    """Queries over whatever files are there at the moment."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._flaws = _Flaws()

    def ask(self, question: Question) -> dict[str, list[Any]]:
        """The columns of the answer.

        Raises:
            EnvironmentNotReady: the files kept on changing or failing while they were read.
        """
        failed: Exception | None = None
        for _ in range(_TRIES):
            found = months(self._root, since=question.since, until=question.until)
            try:
                return _answer(question, sources_of(self._sound(found)))
            except (duckdb.Error, FileNotFoundError) as error:
                failed = error
                self._look_closely(found)
        raise EnvironmentNotReady(
            f"the history in {self._root} cannot be read: {failed}",
            next_step="See `nightly history --check`; free memory and disk, then repeat.",
        )

    def problems(self, *, thorough: bool = False) -> list[HistoryProblem]:
        """The files that are left out, and why."""
        found = months(self._root)
        strangers = [
            HistoryProblem(path, "is not of this history") for month in found for path in month.strangers
        ]
        flawed = [
            HistoryProblem(path, flaw)
            for path in _paths(found)
            if (flaw := self._flaws.of(path, thorough=thorough)) is not None
        ]
        return sorted([*strangers, *flawed], key=lambda problem: problem.path)

    def _sound(self, found: Sequence[Month]) -> list[Month]:
        """The months without the files that cannot be read."""
        return [
            replace(
                month,
                runs=tuple(run for run in month.runs if self._flaws.of(run.path) is None),
                whole=month.whole if month.whole and self._flaws.of(month.whole) is None else None,
            )
            for month in found
        ]

    def _look_closely(self, found: Sequence[Month]) -> None:
        """After a query failed: find the file that is to blame, unless it is only gone meanwhile."""
        for path in _paths(found):
            with suppress(FileNotFoundError):
                self._flaws.of(path, thorough=True)


def _deep_flaw(path: Path) -> str | None:
    """Why a file cannot be read through: by Arrow with its checksums, or by DuckDB, which is less patient."""
    flaw = deep_flaw_of(path)
    if flaw is not None:
        return flaw
    try:
        alone = Sources((), (path,), ())
        with connected(alone) as connection:
            connection.execute(f"SELECT count(hash(row)) FROM ({rows_query(alone)}) AS row").fetchall()  # noqa: S608
    except duckdb.Error as error:
        return f"is damaged: {first_line(error)}"
    return None


def _answer(question: Question, sources: Sources) -> dict[str, list[Any]]:
    history = rows_query(sources, question.since, question.until)
    with connected(sources) as connection:
        for name, table in question.tables.items():
            connection.register(name, table)
        # Bound once, where it stands: the filters of the query reach the files.
        query = f"WITH history AS NOT MATERIALIZED ({history}) {question.query}"
        answer = connection.sql(query, params=list(question.values)).to_arrow_table()
    return {name: answer.column(name).to_pylist() for name in question.columns}


def _paths(found: Sequence[Month]) -> list[Path]:
    return [path for month in found for path in (month.whole, *(run.path for run in month.runs)) if path]


@dataclass(frozen=True)
class Sources:
    """The files a query reads.

    Attributes:
        wholes: packed months.
        runs: files of runs.
        overruled: (date, run id, part) of what packed months also say, and a file of a run says anew.
    """

    wholes: tuple[Path, ...]
    runs: tuple[Path, ...]
    overruled: tuple[tuple[str, str, str], ...]


def sources_of(found: Sequence[Month]) -> Sources:
    """What these months are read from."""
    return Sources(
        wholes=tuple(month.whole for month in found if month.whole),
        runs=tuple(run.path for month in found for run in month.runs),
        overruled=tuple(run.member for month in found if month.whole for run in month.runs),
    )


@contextmanager
def connected(sources: Sources) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection in which `rows_query` of these files can be asked."""
    with tempfile.TemporaryDirectory(prefix="nightly-history-") as spill:
        connection = duckdb.connect(":memory:", config={**_CONFIG, "temp_directory": spill})
        try:
            connection.execute(
                "SET parquet_metadata_cache = true"
            )  # footers are read once a query, not twice
            connection.execute("SET TimeZone = 'UTC'")  # or instants come in the zone of the machine
            connection.register("nothing", SCHEMA.empty_table())
            connection.register("overruled", _overruled(sources))
            yield connection
        finally:
            connection.close()


def rows_query(sources: Sources, since: str | None = None, until: str | None = None) -> str:
    """The query for the files' rows from `since` to `until`, dates as text.

    Nothing but names of files and dates that were parsed goes into it.
    """
    nights = " AND ".join(
        f"date {sign} DATE '{date.fromisoformat(day)}'" for sign, day in ((">=", since), ("<=", until)) if day
    )
    where = f" WHERE {nights}" if nights else ""
    reads = ["SELECT * FROM nothing"]
    if sources.runs:
        reads.append(f"SELECT * FROM {_read(sources.runs)}{where}")  # noqa: S608
    if sources.wholes:
        unless = " ANTI JOIN overruled USING (date, run_id, part)" if sources.overruled else ""
        reads.append(f"SELECT * FROM {_read(sources.wholes)}{unless}{where}")  # noqa: S608
    rows = " UNION ALL BY NAME ".join(reads)
    return f"SELECT * REPLACE (CAST(date AS VARCHAR) AS date) FROM ({rows})"  # noqa: S608


def _read(paths: Sequence[Path]) -> str:
    """Every column that any of the files has: an older file lacks the newest."""
    names = ", ".join("'{}'".format(str(path).translate(_GLOB).replace("'", "''")) for path in paths)
    return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"


def _overruled(sources: Sources) -> pa.Table:
    days, runs, parts = zip(*sources.overruled, strict=True) if sources.overruled else ((), (), ())
    return pa.table(
        {
            "date": pa.array([date.fromisoformat(day) for day in days], pa.date32()),
            "run_id": pa.array(runs, pa.string()),
            "part": pa.array(parts, pa.string()),
        }
    )
