"""The quarantine's file: read, checked, and edited in place, so that what people wrote beside it stays."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
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
        SettingsError: the file is not valid, or cannot be written to.
    """
    with _alone(path):
        text = _without_empty_list(_text(path)) or HEADER
        known = _parse(text, path)
        same = [one for one in known if one.test == entry.test and _share_nights(one, entry)]
        if same:
            raise UsageError(
                f"{entry.test} is in the quarantine already, until {same[0].expires}",
                next_step=f"Change the entry in {path}, or end it: nightly quarantine expire TEST",
            )
        end = "\r\n" if "\r\n" in text else "\n"
        written = _written(entry, text).replace("\n", end)
        _write(path, f"{text.rstrip()}{end}{written}", meant=(*known, entry))


def expire_entry(path: Path, test: str, last_night: date) -> QuarantineEntry:
    """Let an entry's last night be `last_night`; return it as it is then.

    Raises:
        UsageError: no entry, or more than one, has this pattern and counts; or it has not begun.
        SettingsError: the file is not valid, or cannot be written to.
    """
    with _alone(path):
        text = _text(path)
        entries = _parse(text, path)
        at = _running(entries, test, last_night)
        ended = entries[at].model_copy(update={"expires": last_night})
        _write(path, _with_expiry(text, at, last_night), meant=(*entries[:at], ended, *entries[at + 1 :]))
        return ended


def _running(entries: Sequence[QuarantineEntry], test: str, last_night: date) -> int:
    """The place of the one entry of this pattern that counts after that night."""
    own = [at for at, one in enumerate(entries) if one.test == test]
    if not own:
        what = unknown("entry", test, [one.test for one in entries])
        raise UsageError(what, next_step="See `nightly quarantine list`.")
    found = [at for at in own if entries[at].expires > last_night]
    if not found:
        over = max(entries[at].expires for at in own)
        raise UsageError(
            f"{test} counts already, since {over + timedelta(days=1)}", next_step="Nothing to do."
        )
    if len(found) > 1:
        raise UsageError(
            f"{test}: {len(found)} entries", next_step="See `nightly quarantine list`; edit the file."
        )
    begins = entries[found[0]].since
    if begins > last_night + timedelta(days=1):
        raise UsageError(f"{test} counts until {begins}", next_step="Take the entry out of the file.")
    return found[0]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Read and write the file while no other of these commands does: one of two entries would be lost."""
    try:
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(path.resolve().parent, os.O_RDONLY)
    except OSError as error:
        raise SettingsError(
            f"quarantine {str(path)!r} cannot be written to: {error}",
            next_step="Check the folder and its rights.",
        ) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)  # and with it the lock


def _text(path: Path) -> str:
    try:
        if not path.exists():
            return ""
        with path.open(encoding="utf-8", newline="") as file:  # ends of lines stay what they are
            return file.read()
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
    given = f" (given: {problem['input']!r})" if isinstance(problem["input"], str | int | float) else ""
    if problem["type"] == "extra_forbidden":
        return unknown("field", str(path[-1]), QuarantineEntry.model_fields)
    if problem["type"] == "missing":
        others = set(entry) - set(QuarantineEntry.model_fields) if isinstance(entry, dict) else set()
        meant = nearest(str(path[-1]), others)
        return f"is needed{f'; perhaps it is {meant!r}' if meant else ''}"
    if problem["type"].startswith("date"):
        return f"must be a date, YYYY-MM-DD{given}"
    if problem["type"] == "string_type":
        return f"must be text, in quotes{given or ': what begins with # is a comment without them'}"
    return f"{problem['msg'].removeprefix('Value error, ')}{given}"


def _share_nights(one: QuarantineEntry, other: QuarantineEntry) -> bool:
    """Whether both count for a cell on the same night. What is over may come in anew."""
    cells = not one.cells or not other.cells or bool(set(one.cells) & set(other.cells))
    return cells and one.since <= other.expires and other.since <= one.expires


def _without_empty_list(text: str) -> str:
    """The text without a pair of brackets that nothing stands in: entries come as lines of their own."""
    root = _composed(text)
    if not isinstance(root, yaml.SequenceNode) or root.value:
        return text
    return f"{text[: root.start_mark.index]}{text[root.end_mark.index :]}"


def _composed(text: str) -> yaml.Node | None:
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=StrictLoader)
    except (yaml.YAMLError, ValueError):  # it is said where the text is read
        return None
    return root


def _written(entry: QuarantineEntry, text: str) -> str:
    """An entry as YAML, indented as those before it."""
    fields = {name: value for name, value in entry.model_dump().items() if value}
    fields["cells"] = list(entry.cells)
    if not entry.cells:
        del fields["cells"]
    lines = yaml.safe_dump([fields], sort_keys=False, allow_unicode=True, width=10_000).splitlines()
    root = _composed(text)
    indent = " " * (root.start_mark.column if root is not None else 0)
    return "".join(f"{indent}{line}\n" for line in lines)


def _with_expiry(text: str, number: int, last_night: date) -> str:
    """The text with another `expires` of one entry, and nothing else changed."""
    root = _composed(text)
    fields = root.value[number].value if root is not None else []
    value = next((value for key, value in fields if key.value == "expires"), None)
    if value is None:
        return text
    return f"{text[: value.start_mark.index]}{last_night.isoformat()}{text[value.end_mark.index :]}"


def _write(path: Path, text: str, *, meant: Sequence[QuarantineEntry]) -> None:
    """Only what reads as it is meant is written, whole or not at all; a link stays one, and rights stay."""
    try:
        as_meant = _parse(text, path) == tuple(meant)
    except SettingsError:
        as_meant = False
    if not as_meant:
        raise UsageError(
            f"{path} is written in a way that this cannot be put into: brackets, anchors (&, *) or <<",
            next_step="Edit the file by hand; `nightly quarantine list` checks it.",
        )
    place = path.resolve()
    unfinished = place.with_name(f".{place.name}.new")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        if place.exists():
            shutil.copymode(place, unfinished)
        unfinished.replace(place)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise SettingsError(
            f"quarantine {str(path)!r} cannot be written to: {error}",
            next_step="Check the folder and its rights.",
        ) from None
