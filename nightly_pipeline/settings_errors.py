"""Pydantic's errors in words a person can act on: which field, what is allowed, what was probably meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from nightly_pipeline.model.spelling import nearest


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """One line a problem: the field's path as the YAML file has it, what is wrong, and what is allowed.

    Values are left out where a field may hold a secret.
    """
    return "\n".join(f"  {line}" for line in _lines(error, model))


def _lines(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False):
        location = tuple(problem["loc"])
        path = ".".join(str(part) for part in location) or "(whole file)"
        if problem["type"] == "extra_forbidden":
            yield f"{path}: {_unknown_field(location, model)}"
        else:
            yield f"{path}: {problem['msg'].removeprefix('Value error, ')}{_given(path, problem)}"


def _unknown_field(location: tuple[Any, ...], model: type[BaseModel]) -> str:
    fields = list(_model_at(location[:-1], model).model_fields)
    suggestion = nearest(str(location[-1]), fields)
    perhaps = f"; perhaps you meant {suggestion!r}" if suggestion else ""
    return f"unknown field{perhaps}. Allowed: {', '.join(fields)}"


def _given(path: str, problem: Any) -> str:
    secret = any(word in path for word in ("token", "webhook", "password", "secret"))
    value = problem.get("input")
    plain = isinstance(value, str | int | float | bool)
    return f" (given: {value!r})" if plain and not secret and problem["type"] != "value_error" else ""


def _model_at(location: tuple[Any, ...], model: type[BaseModel]) -> type[BaseModel]:
    """Walk the annotations along a location; keys of mappings are stepped over."""
    current = model
    for part in location:
        field = current.model_fields.get(str(part))
        if field is None:
            continue  # the key of a mapping: its value's model is the current one already
        current = next(_models_in(field.annotation), current)
    return current


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
