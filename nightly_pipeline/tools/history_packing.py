"""Packs the months that are over into one file each, in which a test's rows lie side by side.

Thirty files become one, and a test's year is twelve small reads. Readers see the same rows before, during and after,
also when the packing is killed (see `history_files`); what it left behind goes with the next one.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.tools.files import explained
from nightly_pipeline.tools.history_files import Month, deep_flaw_of, months, write_parquet, writing
from nightly_pipeline.tools.history_session import Sources, connected, rows_query
from nightly_pipeline.tools.history_table import SCHEMA, SORTED_BY

ROWS_A_GROUP = 16_384
_BATCH = 65_536
_GROUPS = SORTED_BY[:4]


def pack(root: Path, *, before: str) -> list[str]:
    """Pack every month before the one of this date (YYYY-MM-DD) that has files of runs; return their names.

    A month whose packed file is damaged stays as it is, and so does a damaged file of a run.

    Raises:
        DiskFull, EnvironmentNotReady: the history could not be written to or read; it is as it was.
    """
    packed = []
    for month in months(root):
        if month.name < before[:7] and (month.runs or month.replaced):
            with writing(root):
                packed += [name for name in [_pack(root, month.name)] if name]
    return packed


def _pack(root: Path, name: str) -> str | None:
    """Pack one month, for who holds the lock. Each page's checksum is looked at: what is packed has new ones."""
    [month] = months(root, since=name, until=f"{name}-31")
    runs = [run for run in month.runs if deep_flaw_of(run.path) is None]
    if month.whole is not None and deep_flaw_of(month.whole) is not None:
        return None
    if runs:
        wholes = (month.whole,) if month.whole else ()
        sources = Sources(
            wholes, tuple(run.path for run in runs), tuple(run.member for run in runs if wholes)
        )
        _write(month, sources)
    with explained(month.folder):
        for path in (
            *month.replaced,
            *(run.path for run in runs),
            *([month.whole] if month.whole and runs else []),
        ):
            path.unlink()
    return name if runs else None


def _write(month: Month, sources: Sources) -> None:
    """Everything the month says, as its next packed file."""
    path = month.folder / f"whole,{month.number + 1}.parquet"
    try:
        with connected(sources) as connection:
            rows = rows_query(sources)
            counted = connection.execute(f"SELECT count(*) FROM ({rows})").fetchall()  # noqa: S608 - our own words
            # Closed before the connection is: a failure to write would be hidden by one to end a half-read answer.
            with closing(_sorted(connection, rows)) as batches:
                written = write_parquet(path, batches, group=ROWS_A_GROUP)
    except duckdb.Error as error:
        raise EnvironmentNotReady(
            f"the history's month {month.name} cannot be packed: {error}",
            next_step="See `nightly history --check`; free memory and disk. It is complete as it is, only slower.",
        ) from error
    if counted != [(written,)]:
        path.unlink()
        raise EnvironmentNotReady(
            f"packing {month.name} lost rows, and was undone: {written} rows of {counted}"
        )


def _sorted(connection: duckdb.DuckDBPyConnection, rows: str) -> Generator[pa.RecordBatch, None, None]:
    """All rows in the history's order, a cell's stage at a time: memory does not grow with the month."""
    groups = ", ".join(_GROUPS)
    ordered = ", ".join(f"{name} NULLS FIRST" for name in _GROUPS)
    found = connection.execute(f"SELECT DISTINCT {groups} FROM ({rows}) ORDER BY {ordered}").fetchall()  # noqa: S608
    same = " AND ".join(f"{name} IS NOT DISTINCT FROM ?" for name in _GROUPS)
    order = ", ".join(f"{name} NULLS FIRST" for name in SORTED_BY[len(_GROUPS) :])
    query = f"SELECT * REPLACE (CAST(date AS DATE) AS date) FROM ({rows}) WHERE {same} ORDER BY {order}"  # noqa: S608
    for group in found:
        for batch in connection.sql(query, params=list(group)).to_arrow_reader(_BATCH):
            table = pa.Table.from_batches([batch]).select(SCHEMA.names).cast(SCHEMA)
            yield from table.combine_chunks().to_batches()
