"""Asks the files of the history with DuckDB, and finds out which of them must be left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.tools.history_files import (
    HistoryProblem,
    Look,
    Month,
    deep_flaw_of,
    first_line,
    look_at,
    months,
)
from nightly_pipeline.tools.history_session import Session, Sources, connected, rows_query, sources_of
from nightly_pipeline.tools.history_table import values_of

_TRIES = 5
_PATIENCE_S = 60.0
"""How long files may change under a reader's hands without that counting as a try."""
_Found = TypeVar("_Found")
_Stamp = tuple[int, int, int]


@dataclass
class _Looks:
    """What is known of each file's soundness; a file that changed is looked at again.

    Attributes:
        changed: a file has changed since it was looked at first: what else is remembered of it is wrong.
    """

    known: dict[Path, tuple[_Stamp, Look]] = field(default_factory=dict)
    changed: bool = False

    def of(self, path: Path, *, thorough: bool = False) -> Look:
        stamp = _stamp(path)
        stamp_then, known = self.known.get(path, (stamp, None))
        if stamp_then != stamp:
            self.changed = True
        if known is None or stamp_then != stamp or (thorough and known.flaw is None):
            known = _look_deeply(path) if thorough else look_at(path)
            self.known[path] = (stamp, known)
        return known

    def learn(self, paths: Sequence[Path], sound: Callable[[Sequence[Path]], Mapping[Path, Look]]) -> None:
        """Look together at those that were never looked at; what is odd about one is found when it is asked for.

        Args:
            paths: the files of a query.
            sound: looks at some files, and leaves out what is not as it should be.
        """
        stamps = {path: _stamp(path) for path in paths if path not in self.known}
        if stamps:
            self.known |= {path: (stamps[path], look) for path, look in sound(list(stamps)).items()}


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _state(found: Sequence[Month]) -> dict[Path, _Stamp | None]:
    """The files of some months; None is one that is gone since it was listed."""
    state: dict[Path, _Stamp | None] = {}
    for path in _paths(found):
        state[path] = None
        with suppress(FileNotFoundError):
            state[path] = _stamp(path)
    return state


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
        self._looks = _Looks()
        self._session = Session()

    def ask(self, question: Question) -> dict[str, list[Any]]:
        """The columns of the answer.

        Raises:
            EnvironmentNotReady: the files kept on changing or failing while they were read.
        """
        return self._read(
            lambda found: self._answer(question, self._sources(found)), question.since, question.until
        )

    def problems(self, *, thorough: bool = False) -> list[HistoryProblem]:
        """The files that are left out, and why.

        Raises:
            EnvironmentNotReady: the files kept on changing while they were looked at.
        """
        return self._read(lambda found: self._problems(found, thorough=thorough))

    def _problems(self, found: Sequence[Month], *, thorough: bool) -> list[HistoryProblem]:
        strangers = [
            HistoryProblem(path, "is not of this history") for month in found for path in month.strangers
        ]
        flawed = [
            HistoryProblem(path, flaw)
            for path in _paths(found)
            if (flaw := self._looks.of(path, thorough=thorough).flaw) is not None
        ]
        return sorted([*strangers, *flawed], key=lambda problem: problem.path)

    def _read(
        self, read: Callable[[list[Month]], _Found], since: str | None = None, until: str | None = None
    ) -> _Found:
        """What is read from the files of these months; read anew where they change, or fail, meanwhile."""
        failed: Exception | None = None
        left, end = _TRIES, time.monotonic() + _PATIENCE_S
        while left:
            found = months(self._root, since=since, until=until)
            before = _state(found)
            try:
                return read(found)
            except (duckdb.Error, FileNotFoundError) as error:
                failed = error
                self._session.close()
                self._look_closely(found)
                now = _state(months(self._root, since=since, until=until))
                # That a writer replaced or packed a file under our hands is no failure of the files.
                left -= before == now or time.monotonic() > end
        raise EnvironmentNotReady(
            f"the history in {self._root} cannot be read: {failed}",
            next_step="See `nightly history --check`; free memory and disk, then repeat.",
        )

    def _answer(self, question: Question, sources: Sources) -> dict[str, list[Any]]:
        history = rows_query(sources, question.since, question.until)
        # Bound once, where it stands: the filters of the query reach the files.
        query = f"WITH history AS NOT MATERIALIZED ({history}) {question.query}"
        with self._session.reading(sources, question.tables) as connection:
            answer = connection.sql(query, params=list(question.values)).to_arrow_table()
        return {name: values_of(answer.column(name)) for name in question.columns}

    def _sources(self, found: Sequence[Month]) -> Sources:
        """The files of these months that can be read."""
        paths = _paths(found)
        self._looks.learn(paths, self._session.sound)
        looks = {path: self._looks.of(path) for path in paths}
        if self._looks.changed:  # DuckDB remembers footers by names
            self._looks.changed = False
            self._session.close()
        sound = {path for path, look in looks.items() if look.flaw is None}
        left = [
            replace(
                month,
                runs=tuple(run for run in month.runs if run.path in sound),
                whole=month.whole if month.whole in sound else None,
            )
            for month in found
        ]
        return sources_of(left, alike=all(looks[path].complete for path in sound))

    def _look_closely(self, found: Sequence[Month]) -> None:
        """After a query failed: find the file that is to blame, unless it is only gone meanwhile."""
        for path in _paths(found):
            with suppress(FileNotFoundError):
                self._looks.of(path, thorough=True)


def _look_deeply(path: Path) -> Look:
    """Whether a file can be read through: by Arrow with its checksums, and by DuckDB, which is less patient."""
    look, flaw = look_at(path), deep_flaw_of(path)
    if flaw is not None:
        return replace(look, flaw=flaw)
    try:
        alone = Sources((), (path,), ())
        with connected(alone) as connection:
            connection.execute(f"SELECT count(hash(row)) FROM ({rows_query(alone)}) AS row").fetchall()  # noqa: S608
    except duckdb.Error as error:
        return replace(look, flaw=f"is damaged: {first_line(error)}")
    return look


def _paths(found: Sequence[Month]) -> list[Path]:
    return [path for month in found for path in (month.whole, *(run.path for run in month.runs)) if path]
