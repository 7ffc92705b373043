"""Brings a team's past into the history: JUnit files that other systems wrote, each a run of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nightly_pipeline.errors import NightlyError, RecordError
from nightly_pipeline.model.imported_rows import Case, ImportedRun, imported_night, imported_tests
from nightly_pipeline.steps.ports import History

ReadCases = Callable[[Path], Iterable[Case]]
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class ImportedFile:
    """What became of one file.

    Attributes:
        tests: how many tests it brought.
        problem: why it brought none; None where all is well.
    """

    path: Path
    tests: int = 0
    problem: str | None = None


def files_in(folder: Path) -> list[Path]:
    """The XML files of a folder and those below it, sorted; the file itself where it is one.

    Raises:
        RecordError: there is no such folder, or no XML in it.
    """
    if folder.is_file():
        return [folder]
    found = sorted(path for path in folder.rglob("*.xml") if path.is_file()) if folder.is_dir() else []
    if not found:
        raise RecordError(
            f"there is no *.xml in {folder}", next_step="Name the folder the JUnit files are in."
        )
    return found


def import_files(
    paths: Iterable[Path], run: ImportedRun, read: ReadCases, history: History
) -> Iterator[ImportedFile]:
    """Write each file down as a run of its own; the same file again is the same run, and replaces itself.

    A file that cannot be read is told and left out; the others are imported all the same.

    Args:
        paths: JUnit files.
        run: what they all belong to; its `run_id` is replaced by each file's.
        read: reads the cases of a file; raises RecordError.
        history: where the rows go. What it raises ends the import.
    """
    for path in paths:
        try:
            own = run.model_copy(update={"run_id": _run_id(path, run)})
            tests = imported_tests(read(path), own)
        except OSError as error:
            yield ImportedFile(path, problem=f"cannot be read: {error.strerror}")
        except NightlyError as error:
            yield ImportedFile(path, problem=error.message)
        else:
            yield _write(path, tests, own, history)


def _write(path: Path, tests: list, run: ImportedRun, history: History) -> ImportedFile:  # type: ignore[type-arg]
    if not tests:
        return ImportedFile(path, problem="has no test cases")
    night, entries = imported_night(tests, run)
    history.write(night, entries, tests)
    return ImportedFile(path, tests=len(tests))


def _run_id(path: Path, run: ImportedRun) -> str:
    """Equal for equal content that is said to be of the same stage of the same night."""
    digest = hashlib.sha256(f"{run.date}/{run.framework}/{run.arch}/{run.stage}\n".encode())
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"import-{digest.hexdigest()[:16]}"
