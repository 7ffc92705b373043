"""Pydantic's errors in words a person can act on: which field, what is allowed, what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from nightly_pipeline.model.spelling import nearest, unknown

_SAYS_IT_ITSELF = {"value_error", "extra_forbidden"}
_SECRET = re.compile(r"token|webhook|password|secret|environment", re.IGNORECASE)


@dataclass(frozen=True)
class Hints:
    """What is known of a document beside its model.

    Attributes:
        fields: those a person may set at the top.
        rows: path of a table -> the names of its rows: one that lacks everything is probably a misspelling.
        origins: path of a field -> the environment variable that set it.
    """

    fields: Sequence[str]
    rows: Mapping[str, Sequence[str]]
    origins: Mapping[str, str]


def explain(error: ValidationError, model: type[BaseModel], hints: Hints) -> str:
    """One line a problem: the field's path as the YAML file has it, what is wrong, and what is allowed.

    Values are left out where a field may hold a secret.
    """
    return "\n".join(f"  {line}" for line in _lines(error, model, hints))


def _lines(error: ValidationError, model: type[BaseModel], hints: Hints) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        location = tuple(str(part) for part in problem["loc"] if part != "[key]")
        path = ".".join(location)
        where = f"{path} (from {hints.origins[path]})" if path in hints.origins else path
        what = _what(problem, location, model, hints)
        line = f"{what}{_given(path, problem)}{_perhaps(problem, location, hints)}"
        yield f"{where}: {line}" if where else line


def _what(problem: Any, location: tuple[str, ...], model: type[BaseModel], hints: Hints) -> str:
    if problem["type"] != "extra_forbidden":
        return str(problem["msg"]).removeprefix("Value error, ")
    within = location[:-1]
    return unknown("field", location[-1], _model_at(within, model).model_fields if within else hints.fields)


def _perhaps(problem: Any, location: tuple[str, ...], hints: Hints) -> str:
    suggestion = None
    if problem["type"] == "literal_error":
        suggestion = nearest(str(problem["input"]), re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    elif problem["type"] == "missing" and len(location) > 1:
        *table, row, _ = location
        rows = hints.rows.get(".".join(table), ())
        suggestion = None if row in rows else nearest(row, rows)
    return f"; perhaps you meant {suggestion!r}" if suggestion else ""


def _given(path: str, problem: Any) -> str:
    value = problem.get("input")
    shown = isinstance(value, str | int | float | bool) and problem["type"] not in _SAYS_IT_ITSELF
    return f" (given: {value!r})" if shown and not _SECRET.search(path) else ""


def _model_at(location: tuple[str, ...], model: type[BaseModel]) -> type[BaseModel]:
    """Walk the annotations along a location; keys of mappings are stepped over."""
    current, parts = model, iter(location)
    for part in parts:
        annotation = current.model_fields[part].annotation
        current = next(_models_in(annotation), current)
        if get_origin(annotation) is dict:
            next(parts, None)
    return current


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
