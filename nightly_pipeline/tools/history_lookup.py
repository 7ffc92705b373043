"""Finds tests in the history: by a part of their name, by one that is nearly right, by how long they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.tools.history_query import HistoryReader, Question

_IDENTITY = tuple(TestIdentity.model_fields)
_COLUMNS = ", ".join(_IDENTITY)
_RAN = "record = 'test' AND result NOT IN ('collected', 'not_run', 'skipped')"


@dataclass(frozen=True)
class SlowTest:
    """How long a test took, over some nights.

    Attributes:
        usual_s, longest_s: median and maximum of its last attempts, seconds.
        runs: how often it ran.
    """

    test: TestIdentity
    usual_s: float
    longest_s: float
    runs: int


@dataclass(frozen=True)
class Where:
    """Which tests are meant. None is any."""

    framework: str | None = None
    arch: str | None = None
    stage: str | None = None
    since: str | None = None
    until: str | None = None

    def conditions(self) -> tuple[list[str], list[str]]:
        """The conditions of a query, and their values."""
        given = {"framework": self.framework, "arch": self.arch, "stage": self.stage}
        return [f"{name} = ?" for name, value in given.items() if value], [
            value for value in given.values() if value
        ]


class HistoryLookup:
    """Looks tests up in the history below a folder."""

    def __init__(self, root: Path) -> None:
        self._reader = HistoryReader(root)

    def tests(self, name: str, where: Where, *, limit: int) -> list[TestIdentity]:
        """The tests of that node id; where there is none, those that have `name` in theirs, in any case."""
        exact = self._found(["node_id = ?"], [name], where, limit)
        return exact or self._found(["contains(lower(node_id), lower(?))"], [name], where, limit)

    def nearest(self, name: str, where: Where, *, limit: int = 3) -> list[str]:
        """The node ids most like a name that fits none, the likest first."""
        conditions, values = where.conditions()
        query = f"""
            SELECT node_id FROM history WHERE {" AND ".join(["record = 'test'", *conditions])} GROUP BY node_id
            ORDER BY greatest(
                jaro_winkler_similarity(lower(node_id), lower(?)),
                jaro_winkler_similarity(lower(split_part(node_id, '::', -1)), lower(?))
            ) DESC, node_id LIMIT {limit:d}"""  # noqa: S608 - our own words
        return self._ask(query, ["node_id"], [*values, name, name], where)["node_id"]

    def slowest(self, where: Where, *, limit: int) -> list[SlowTest]:
        """The tests that usually take longest, by the median of their runs."""
        conditions, values = where.conditions()
        query = f"""
            SELECT {_COLUMNS}, median(duration_s) AS usual, max(duration_s) AS longest, count(*) AS runs
            FROM history WHERE {" AND ".join([_RAN, *conditions])} GROUP BY {_COLUMNS}
            ORDER BY usual DESC, node_id LIMIT {limit:d}"""  # noqa: S608 - our own words
        found = self._ask(query, [*_IDENTITY, "usual", "longest", "runs"], values, where)
        return [
            SlowTest(test, *figures)
            for test, *figures in zip(
                _identities(found), found["usual"], found["longest"], found["runs"], strict=True
            )
        ]

    def _found(self, what: list[str], names: list[str], where: Where, limit: int) -> list[TestIdentity]:
        conditions, values = where.conditions()
        query = f"""
            SELECT DISTINCT {_COLUMNS} FROM history WHERE {" AND ".join(["record = 'test'", *what, *conditions])}
            ORDER BY {_COLUMNS} LIMIT {limit:d}"""  # noqa: S608 - our own words
        return _identities(self._ask(query, _IDENTITY, [*names, *values], where))

    def _ask(self, query: str, columns: Sequence[str], values: list[str], where: Where) -> dict[str, list]:  # type: ignore[type-arg]
        return self._reader.ask(Question(query, columns, values, since=where.since, until=where.until))


def _identities(columns: dict[str, list]) -> list[TestIdentity]:  # type: ignore[type-arg]
    return [
        TestIdentity(**dict(zip(_IDENTITY, values, strict=True)))
        for values in zip(*(columns[name] for name in _IDENTITY), strict=True)
    ]
