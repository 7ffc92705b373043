"""The files of the history: their names, which of them count, and how one is put in its place.

::

    history/
      month=2026-11/
        2026-11-20,<run id>,night.parquet     a run: its tests, its entries, its night
        2026-11-20,<run id>,<part>.parquet    rows that came otherwise (an import, a confirming rerun)
      month=2026-10/
        whole,3.parquet                       a month that is over, packed into one file (the third time)
      .lock

One run is one file and one rename, so there is no moment at which half of a run can be seen. What a file of a run
says takes the place of what a packed month says of the same run and part; of packed months the highest number
counts. So a packing that is killed at any point changes nothing for readers: they see the same rows before, during
and after. Writers take turns by a lock that ends with its process; readers take none.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.tools.files import TEMPORARY, explained, move_into_place, new_file
from nightly_pipeline.tools.history_table import SCHEMA, VERSION, VERSION_KEY

NIGHT_PART = "night"
ROWS_A_GROUP = 4096
LOCK_PATIENCE_S = 60.0
_LONGEST_NAMES = 220
_LISTINGS = 20
_MONTH = re.compile(r"month=(\d{4}-\d{2})")
_RUN = re.compile(r"(\d{4}-\d{2}-\d{2}),([^,]+),([^,]+)\.parquet")
_WHOLE = re.compile(r"whole,(\d+)\.parquet")


@dataclass(frozen=True)
class RunFile:
    """The file of one part of one run."""

    path: Path
    date: str
    run_id: str
    part: str

    @property
    def member(self) -> tuple[str, str, str]:
        """What the file is the only word on: (date, run id, part)."""
        return self.date, self.run_id, self.part


@dataclass(frozen=True)
class Month:
    """What one month consists of: files of runs, and at most one packed file that counts.

    Attributes:
        replaced: packed files with a lower number, left behind by a packing that was killed.
        strangers: files that are not the history's.
    """

    name: str
    folder: Path
    runs: tuple[RunFile, ...] = ()
    whole: Path | None = None
    number: int = 0
    replaced: tuple[Path, ...] = ()
    strangers: tuple[Path, ...] = ()


@dataclass(frozen=True)
class HistoryProblem:
    """A file that is left out, so that what is told of the past may lack something."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def months(root: Path, *, since: str | None = None, until: str | None = None) -> list[Month]:
    """The months that reach into these dates (inclusive), oldest first; runs outside of them are left out."""
    with explained(root):
        try:
            names = sorted(path.name for path in root.iterdir())
        except FileNotFoundError:
            return []
        found = [match.group(1) for name in names if (match := _MONTH.fullmatch(name))]
        wanted = [name for name in found if (since or "")[:7] <= name <= (until or "9999-99")[:7]]
        return [_month(root, name, since or "", until or "9999-99-99") for name in wanted]


def _month(root: Path, name: str, since: str, until: str) -> Month:
    folder = root / f"month={name}"
    runs, wholes, strangers = [], {}, []
    for path in _listed(folder):
        if match := _RUN.fullmatch(path.name):
            file = RunFile(path, match.group(1), unquote(match.group(2)), unquote(match.group(3)))
            if since <= file.date <= until:
                runs.append(file)
        elif match := _WHOLE.fullmatch(path.name):
            wholes[int(match.group(1))] = path
        else:
            strangers.append(path)
    number = max(wholes, default=0)
    replaced = tuple(path for other, path in wholes.items() if other != number)
    return Month(name, folder, tuple(runs), wholes.get(number), number, replaced, tuple(strangers))


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, as it was at one moment: while it is listed, a packing may put in and take out."""
    names: list[str] = []
    for _ in range(_LISTINGS):
        before, names = names, sorted(path.name for path in folder.iterdir())
        names = [name for name in names if not name.startswith(TEMPORARY)]
        if names == before:
            break
    return [folder / name for name in names]


def run_path(root: Path, day: str, run_id: str, part: str) -> Path:
    """Where the file of a part of a run belongs.

    Raises:
        ValueError: the date is none, or the names are empty or too long for a file.
    """
    if date.fromisoformat(day).isoformat() != day:
        raise ValueError(f"{day!r} is no date of the form YYYY-MM-DD")
    names = (quote(run_id, safe="+=@~"), quote(part, safe="+=@~"))
    if not all(names) or sum(map(len, names)) > _LONGEST_NAMES:
        raise ValueError(f"run {run_id!r} and part {part!r} make no file name")
    return root / f"month={day[:7]}" / f"{day},{','.join(names)}.parquet"


def write_parquet(path: Path, batches: Iterator[pa.RecordBatch] | list[pa.RecordBatch], *, group: int) -> int:
    """Write a file whole or not at all, and return its rows. Only for who holds the lock.

    Args:
        path: its place; what is there is replaced.
        batches: its rows, of the history's schema.
        group: rows a row group.
    """
    rows = 0
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path.parent) as (file, temporary):
            with pq.ParquetWriter(
                file, SCHEMA, compression="zstd", write_page_checksum=True, write_page_index=True
            ) as writer:
                for batch in batches:
                    writer.write_batch(batch, row_group_size=group)
                    rows += batch.num_rows
            move_into_place(file, temporary, path)
    return rows


@contextmanager
def writing(root: Path, *, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
    """Be the only writer. What killed writers left behind goes first: nobody else is writing now.

    Raises:
        EnvironmentNotReady: another process kept on writing all the while, or the folder cannot be written to.
    """
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _take_turn(descriptor, root, patience_s)
            for leftover in root.glob(f"*/{TEMPORARY}*"):
                leftover.unlink(missing_ok=True)
            yield
        finally:
            os.close(descriptor)  # and with it the lock


def _take_turn(descriptor: int, root: Path, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise EnvironmentNotReady(
                    f"the history in {root} has been written to by another process for {patience_s:g} s",
                    next_step="See which with `fuser -v .lock` there; repeat when it is done.",
                ) from None
            time.sleep(0.02)
        else:
            return


@dataclass(frozen=True)
class Look:
    """What a file's footer says of it.

    Attributes:
        flaw: why it cannot be a part of the history; None when it can.
        complete: it has the columns of this version, and no others.
    """

    flaw: str | None
    complete: bool = False


def look_at(path: Path) -> Look:
    """Read a file's footer."""
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, FileNotFoundError):
            raise
        return Look(f"is damaged or no Parquet: {first_line(error)}")
    return Look(_flaw(schema), complete=set(schema.names) == set(SCHEMA.names))


def flaw_of(path: Path) -> str | None:
    """Why a file cannot be a part of the history, by its footer; None when it can."""
    return look_at(path).flaw


def _flaw(schema: pa.Schema) -> str | None:
    version = (schema.metadata or {}).get(VERSION_KEY)
    if version is None:
        return "is not of this history"
    if version != VERSION.encode():
        return f"is of version {version.decode(errors='replace')} of the history, and this reads {VERSION}"
    wrong = [
        field.name
        for field in schema
        if field.name in SCHEMA.names and field.type != SCHEMA.field(field.name).type
    ]
    return f"has columns of another type: {', '.join(wrong)}" if wrong else None


def deep_flaw_of(path: Path) -> str | None:
    """Like `flaw_of`, and every page is read and its checksum compared."""
    shallow = flaw_of(path)
    if shallow is not None:
        return shallow
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for _ in file.iter_batches():
                pass
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, FileNotFoundError):
            raise
        return f"is damaged: {first_line(error)}"
    return None


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
