"""DuckDB over the files of the history: which files a query reads, and the connection it is asked on."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from nightly_pipeline.tools.history_files import Look, Month
from nightly_pipeline.tools.history_table import SCHEMA, VERSION, VERSION_KEY

MEMORY_LIMIT = "400MB"
"""Of DuckDB's own; what does not fit is spilled to the disk."""
_CONFIG = {
    "memory_limit": MEMORY_LIMIT,
    "autoinstall_known_extensions": "false",  # nothing is fetched while a night is summarised
    "autoload_known_extensions": "false",
}
_GLOB = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]"})


@dataclass(frozen=True)
class Sources:
    """The files a query reads.

    Attributes:
        wholes: packed months.
        runs: files of runs.
        overruled: (date, run id, part) of what packed months also say, and a file of a run says anew.
        alike: every file is known to have the columns of this version, so that no query has to compare them.
    """

    wholes: tuple[Path, ...]
    runs: tuple[Path, ...]
    overruled: tuple[tuple[str, str, str], ...]
    alike: bool = False


def sources_of(found: Sequence[Month], *, alike: bool = False) -> Sources:
    """What these months are read from."""
    return Sources(
        wholes=tuple(month.whole for month in found if month.whole),
        runs=tuple(run.path for month in found for run in month.runs),
        overruled=tuple(run.member for month in found if month.whole for run in month.runs),
        alike=alike,
    )


class Session:
    """A DuckDB that the first query opens and that stays open: it keeps the footers of the files it has read.

    One query at a time; threads take turns. It is closed with whoever holds it.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._open = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        weakref.finalize(self, self._open.close)

    @contextmanager
    def reading(
        self, sources: Sources, tables: Mapping[str, pa.Table] | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """The connection, in which `rows_query` of these files can be asked, and these tables by their names."""
        named = {"overruled": _overruled(sources), **(tables or {})}
        with self._turn:
            connection = self._connection = self._connection or _connect(self._open)
            try:
                for name, table in named.items():
                    connection.register(name, table)
                yield connection
            finally:
                for name in named:
                    connection.unregister(name)

    def sound(self, paths: Sequence[Path]) -> dict[Path, Look]:
        """What the footers of these files say; a file that cannot be a part of the history is left out.

        They are the footers that a query over the files needs, and are kept for it. Where one of the files is damaged
        or gone, nothing is said of any.
        """
        with self.reading(Sources((), (), ())) as connection:
            try:
                return _sound(connection, paths)
            except duckdb.Error:
                return {}

    def close(self) -> None:
        """Forget what is known of the files. The next query opens it anew."""
        with self._turn:
            self._connection = None
            self._open.close()


def _sound(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> dict[Path, Look]:
    names = _names(paths)
    notes = connection.sql(f"SELECT file_name, key, value FROM parquet_kv_metadata({names})").fetchall()  # noqa: S608
    columns = connection.sql(f"SELECT file_name, name, duckdb_type FROM parquet_schema({names})").fetchall()  # noqa: S608
    wanted = {name: kind for name, kind, *_ in connection.sql("DESCRIBE nothing").fetchall()}
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for file, name, kind in columns:
        if kind is not None:  # the root of the columns has none
            found[file][name] = kind
    ours = {file for file, key, value in notes if (key, value) == (VERSION_KEY, VERSION.encode())}
    return {
        Path(file): Look(None, complete=found[file] == wanted)
        for file in ours
        if all(wanted.get(name, kind) == kind for name, kind in found[file].items())
    }


def _connect(stack: ExitStack) -> duckdb.DuckDBPyConnection:
    spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="nightly-history-"))
    connection = duckdb.connect(":memory:", config={**_CONFIG, "temp_directory": spill})
    stack.callback(connection.close)
    connection.execute("SET parquet_metadata_cache = true")  # footers are read once, not twice a query
    connection.execute("SET TimeZone = 'UTC'")  # or instants come in the zone of the machine
    connection.register("nothing", SCHEMA.empty_table())
    return connection


@contextmanager
def connected(sources: Sources) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for a short while, in which `rows_query` of these files can be asked."""
    session = Session()
    try:
        with session.reading(sources) as connection:
            yield connection
    finally:
        session.close()


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
        reads.append(f"SELECT * FROM {_read(sources.runs, sources)}{where}")  # noqa: S608
    if sources.wholes:
        unless = " ANTI JOIN overruled USING (date, run_id, part)" if sources.overruled else ""
        reads.append(f"SELECT * FROM {_read(sources.wholes, sources)}{unless}{where}")  # noqa: S608
    rows = " UNION ALL BY NAME ".join(reads)
    return f"SELECT * REPLACE (CAST(date AS VARCHAR) AS date) FROM ({rows})"  # noqa: S608


def _read(paths: Sequence[Path], sources: Sources) -> str:
    """Every column that any of the files has: an older file lacks the newest."""
    union = "false" if sources.alike else "true"
    return f"read_parquet({_names(paths)}, union_by_name = {union}, hive_partitioning = false)"


def _names(paths: Sequence[Path]) -> str:
    names = ", ".join("'{}'".format(str(path).translate(_GLOB).replace("'", "''")) for path in paths)
    return f"[{names}]"


def _overruled(sources: Sources) -> pa.Table:
    days, runs, parts = zip(*sources.overruled, strict=True) if sources.overruled else ((), (), ())
    return pa.table(
        {
            "date": pa.array([date.fromisoformat(day) for day in days], pa.date32()),
            "run_id": pa.array(runs, pa.string()),
            "part": pa.array(parts, pa.string()),
        }
    )
