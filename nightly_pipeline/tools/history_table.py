"""Rows of the history as one Arrow table, and back: a column for every field of the three kinds of row.

The columns are taken from the rows' classes, so a new optional field is a new column, which older files lack.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
from pydantic.fields import FieldInfo

from nightly_pipeline.model.history import EntryRow, NightRow, TestResult, TestRow
from nightly_pipeline.model.outcomes import Record

VERSION = "1"
VERSION_KEY = b"nightly.history"
KINDS: Mapping[str, type[Any]] = {"night": NightRow, "entry": EntryRow, "test": TestRow}
"""Word in the column `record` -> class of the row."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RowT = TypeVar("RowT", bound=Record)
_TYPES: Mapping[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


def columns_of(row: type[Any]) -> dict[str, pa.DataType]:
    """Name -> type of the columns a kind of row needs."""
    hints = get_type_hints(row)
    return {name: _type(name, hints[name]) for name in row.model_fields}


def _type(name: str, annotation: Any) -> pa.DataType:
    if name == "date":
        return pa.date32()
    options = [annotation]
    if get_origin(annotation) in {Union, types.UnionType}:
        options = [option for option in get_args(annotation) if option is not type(None)]
    first = options[0]
    if get_origin(first) is Literal or (isinstance(first, type) and issubclass(first, StrEnum)):
        return pa.string()
    return _TYPES[first]


def _schema() -> pa.Schema:
    columns = {"record": pa.string(), "part": pa.string()}
    for row in (TestRow, EntryRow, NightRow):
        columns |= columns_of(row)
    return pa.schema(list(columns.items()), metadata={VERSION_KEY: VERSION.encode()})


SCHEMA = _schema()
SORTED_BY = ("record", "framework", "arch", "stage", "node_id", "date", "run_id")
"""A test's rows lie together, so that its history is a small piece of each file."""


def table_of(
    tests: Sequence[TestRow], part: str, *, entries: Sequence[EntryRow] = (), night: NightRow | None = None
) -> pa.Table:
    """One run's rows, sorted."""
    ordered = sorted(tests, key=lambda row: (row.framework, row.arch, row.stage, row.node_id, row.run_id))
    pieces = [_piece("entry", entries, part), _piece("night", [night] if night else [], part)]
    return pa.concat_tables([*pieces, _piece("test", ordered, part)])


def _piece(record: str, rows: Sequence[Any], part: str) -> pa.Table:
    own = columns_of(KINDS[record])
    arrays = []
    for column in SCHEMA:
        if column.name in own:
            arrays.append(_array([getattr(row, column.name) for row in rows], column.type))
        else:
            fixed = {"record": record, "part": part}.get(column.name)
            arrays.append(pa.array([fixed] * len(rows), column.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):  # a lone surrogate is legal in Python's text and in no file
        return pa.array([None if value is None else _text(str(value)) for value in values], kind)
    if pa.types.is_date(kind):
        days = {value: date.fromisoformat(value) for value in set(values)}
        return pa.array([days[value] for value in values], kind)
    if pa.types.is_timestamp(kind):
        return pa.array([_instant(value) for value in values], kind)
    return pa.array(values, kind)


def _text(value: str) -> str:
    return value if value.isascii() else value.encode(errors="backslashreplace").decode()


def _instant(value: datetime | None) -> datetime | None:
    """An instant without a zone is meant as UTC, wherever the process runs."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """A column as Python values, without `pyarrow.compute`: to import it takes longer than most questions do."""
    if column.null_count == len(column):
        return [None] * len(column)
    if pa.types.is_timestamp(column.type):
        counted = [at for chunk in column.chunks for at in chunk.view(pa.int64()).to_pylist()]
        instants = {at: None if at is None else _EPOCH + timedelta(microseconds=at) for at in set(counted)}
        return [instants[at] for at in counted]
    values: list[Any] = column.to_pylist()
    if pa.types.is_list(column.type):
        return values
    known: dict[Any, Any] = {}  # equal values become one object: most columns have few that differ
    return [known.setdefault(value, value) for value in values]


def rows_of(row: type[RowT], columns: Mapping[str, list[Any]]) -> list[RowT]:
    """Rows from columns that were checked when their file was opened; what is null has the field's default.

    Made as `model_construct` makes them, in a fifth of its time: there are tens of thousands of them.
    """
    fields = row.model_fields
    given = {name for name in fields if name in columns}  # pydantic copies it before it changes it
    new, put, rows = row.__new__, object.__setattr__, []
    for values in zip(*(_filled(name, one, columns) for name, one in fields.items()), strict=False):
        made = new(row)
        put(made, "__dict__", dict(zip(fields, values, strict=True)))
        put(made, "__pydantic_fields_set__", given)
        put(made, "__pydantic_extra__", None)
        put(made, "__pydantic_private__", None)
        rows.append(made)
    return rows


def _filled(name: str, field: FieldInfo, columns: Mapping[str, list[Any]]) -> Iterable[Any]:
    """The values of a field, row by row; without end for a column that is not there."""
    default = None if field.is_required() else field.get_default()
    if name not in columns:
        return itertools.repeat(default)
    values = columns[name]
    if name == "result":
        words = {word.value: word for word in TestResult}
        return [words[value] for value in values]
    if default is None or None not in values:
        return values
    return [default if value is None else value for value in values]
