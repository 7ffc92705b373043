"""Brings a team's past into the history: JUnit files that other systems wrote, those of a stage and a night one run."""

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
_ENDINGS = (".xml", ".xml.gz")


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

    Compressed ones are among them, so that they are told and not passed over.

    Raises:
        RecordError: there is no such folder, or no XML in it.
    """
    if folder.is_file():
        return [folder]
    found = sorted(
        path for path in folder.rglob("*") if path.name.lower().endswith(_ENDINGS) and path.is_file()
    )
    if not found:
        raise RecordError(
            f"there is no *.xml in {folder}", next_step="Name the folder the JUnit files are in."
        )
    return found


def import_files(
    paths: Iterable[Path], run: ImportedRun, read: ReadCases, history: History
) -> Iterator[ImportedFile]:
    """Write the files down as parts of one run, which has all that is imported of this stage and night, now or before.

    So the stage's counts are of all of them, however many it was split into. The same file again is the same part, and
    replaces itself. A file that cannot be read is told and left out; the others are imported all the same.

    Args:
        paths: JUnit files.
        run: what they all belong to; its `run_id` is made here.
        read: reads the cases of a file; raises RecordError.
        history: where the rows go. What it raises ends the import; the same import again completes it.
    """
    own = run.model_copy(update={"run_id": _run_id(run)})
    for path in paths:
        yield _import(path, own, read, history)
    _count(own, history)


def _import(path: Path, run: ImportedRun, read: ReadCases, history: History) -> ImportedFile:
    try:
        part, tests = _part(path), imported_tests(read(path), run)
    except OSError as error:
        return ImportedFile(path, problem=f"cannot be read: {error.strerror}")
    except NightlyError as error:
        return ImportedFile(path, problem=error.message)
    if not tests:
        return ImportedFile(path, problem="has no test cases")
    history.add(tests, date=run.date, run_id=run.run_id, part=part)
    return ImportedFile(path, tests=len(tests))


def _count(run: ImportedRun, history: History) -> None:
    """Write the night down as all files of the run make it; again, when another import added to it meanwhile."""
    counted = -1
    while known := history.tests(run.date, run_id=run.run_id):
        if len(known) == counted:
            return
        night, entries = imported_night(known, run)
        history.write(night, entries, [])
        counted = len(known)


def _run_id(run: ImportedRun) -> str:
    """Equal for what is said to be of the same stage of the same night."""
    stage = f"{run.date}/{run.framework}/{run.arch}/{run.stage}"
    return f"import-{hashlib.sha256(stage.encode()).hexdigest()[:16]}"


def _part(path: Path) -> str:
    """Equal for equal content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:16]
