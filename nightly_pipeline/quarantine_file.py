"""The quarantine's file: read, checked, and edited in place, so that what people wrote beside it stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from nightly_pipeline.errors import SettingsError, UsageError
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry
from nightly_pipeline.model.spelling import nearest, unknown
from nightly_pipeline.profile_files import StrictLoader

HEADER = """\
# Tests that are known to be bad. They still run, and are shown apart; after `expires` their failures count again.
# See docs/verdicts.md; `nightly quarantine list` says how each entry stands.
"""
_ENTRIES = TypeAdapter(tuple[QuarantineEntry, ...])
_NEXT = "Correct the file and run `nightly quarantine list` to check it."


def read_quarantine(path: Path, *, leave_after_nights: int) -> Quarantine:
    """The quarantine as the file has it; without a file it is empty.

    Raises:
        SettingsError: the file cannot be read, or an entry is not valid; it names the entry, the field and what is
            allowed.
    """
    return Quarantine(entries=_parse(_text(path), path), leave_after_nights=leave_after_nights)


def new_entry(**fields: Any) -> QuarantineEntry:
    """An entry of these fields.

    Raises:
        UsageError: a field is not valid.
    """
    try:
        return QuarantineEntry(**fields)
    except ValidationError as error:
        raise UsageError(
            f"no such entry can be made:\n{_explained(error, [fields])}",
            next_step="See `nightly quarantine add --help`.",
        ) from None


def add_entry(path: Path, entry: QuarantineEntry) -> None:
    """Write an entry at the end of the file, which is made where there is none.

    Raises:
        UsageError: the test is in the quarantine already, for one of the cells.
        SettingsError: the file is not valid.
    """
    text = _text(path) or HEADER
    same = [one for one in _parse(text, path) if one.test == entry.test and _share_cells(one, entry)]
    if same:
        raise UsageError(
            f"{entry.test} is in the quarantine already, until {same[0].expires}",
            next_step=f"Change the entry in {path}, or end it: nightly quarantine expire TEST",
        )
    _write(path, f"{text.rstrip()}\n{_written(entry, text)}")


def expire_entry(path: Path, test: str, last_night: date) -> QuarantineEntry:
    """Let an entry's last night be `last_night`; return it as it is then.

    Raises:
        UsageError: no entry, or more than one, has this pattern.
        SettingsError: the file is not valid.
    """
    text = _text(path)
    entries = _parse(text, path)
    found = [at for at, one in enumerate(entries) if one.test == test]
    if len(found) != 1:
        what = (
            unknown("entry", test, [one.test for one in entries])
            if not found
            else f"{test}: {len(found)} entries"
        )
        raise UsageError(what, next_step="See `nightly quarantine list`; edit the file where cells differ.")
    _write(path, _with_expiry(text, found[0], last_night))
    return _parse(_text(path), path)[found[0]]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"quarantine {str(path)!r} cannot be read: {error}", next_step=_NEXT) from None


def _parse(text: str, path: Path) -> tuple[QuarantineEntry, ...]:
    where = f"quarantine {path.name!r}"
    try:
        document = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a safe loader, stricter than YAML's own
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"{where} is not valid YAML: {error}", next_step=_NEXT) from None
    if document is None:
        return ()
    if not isinstance(document, list):
        raise SettingsError(
            f"{where} must be a list of entries, each starting with '- test:'", next_step=_NEXT
        )
    try:
        return _ENTRIES.validate_python(document)
    except ValidationError as error:
        raise SettingsError(
            f"{where} is not valid:\n{_explained(error, document)}", next_step=_NEXT
        ) from None


def _explained(error: ValidationError, document: Sequence[Any]) -> str:
    return "\n".join(f"  {line}" for line in _lines(error, document))


def _lines(error: ValidationError, document: Sequence[Any]) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        number = problem["loc"][0] if problem["loc"] and isinstance(problem["loc"][0], int) else None
        path = problem["loc"] if number is None else problem["loc"][1:]
        entry = document[number or 0]
        parts = [*([_named(number, entry)] if number is not None else []), *map(str, path)]
        yield f"{'.'.join(parts)}: {_what(problem, path, entry)}"


def _named(number: int, entry: Any) -> str:
    name = entry.get("test") if isinstance(entry, dict) else None
    return f"entry {number + 1}" + (f" ({name})" if name else "")


def _what(problem: Any, path: Sequence[Any], entry: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return unknown("field", str(path[-1]), QuarantineEntry.model_fields)
    if problem["type"] == "missing":
        others = set(entry) - set(QuarantineEntry.model_fields) if isinstance(entry, dict) else set()
        meant = nearest(str(path[-1]), others)
        return f"is needed{f'; perhaps it is {meant!r}' if meant else ''}"
    given = f" (given: {problem['input']!r})" if isinstance(problem["input"], str | int | float) else ""
    return f"{problem['msg'].removeprefix('Value error, ')}{given}"


def _share_cells(one: QuarantineEntry, other: QuarantineEntry) -> bool:
    return not one.cells or not other.cells or bool(set(one.cells) & set(other.cells))


def _written(entry: QuarantineEntry, text: str) -> str:
    """An entry as YAML, indented as those before it."""
    fields = {name: value for name, value in entry.model_dump().items() if value}
    fields["cells"] = list(entry.cells)
    if not entry.cells:
        del fields["cells"]
    lines = yaml.safe_dump([fields], sort_keys=False, allow_unicode=True, width=10_000).splitlines()
    root = yaml.compose(text, Loader=StrictLoader)
    indent = " " * (root.start_mark.column if root is not None else 0)
    return "".join(f"{indent}{line}\n" for line in lines)


def _with_expiry(text: str, number: int, last_night: date) -> str:
    """The text with another `expires` of one entry, and nothing else changed."""
    root = yaml.compose(text, Loader=StrictLoader)
    entries = root.value if root is not None else []
    value = next(value for key, value in entries[number].value if key.value == "expires")
    return f"{text[: value.start_mark.index]}{last_night.isoformat()}{text[value.end_mark.index :]}"


def _write(path: Path, text: str) -> None:
    """Only what can be read again is written, whole or not at all."""
    _parse(text, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
