"""Files that are there whole or not at all, and what a file system says in errors of ours."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nightly_pipeline.errors import DiskFull, EnvironmentNotReady

TEMPORARY = ".writing-"
"""How the name of a file begins that somebody is writing; what was killed while writing leaves it behind."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def new_file(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A file under a name that no reader looks at, removed when the block fails; move it to its place in the block.

    The folder must be there.
    """
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # for whoever looks at the night, not for its writer alone
            yield file, temporary
    finally:
        temporary.unlink(missing_ok=True)


def move_into_place(file: BinaryIO, temporary: Path, path: Path) -> None:
    """Give a file that is written its name; it and the move last through a power cut."""
    file.flush()
    os.fsync(file.fileno())
    temporary.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make moves into a folder last through a power cut. When the folder is gone, somebody has deleted it."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the file system says into errors of ours.

    Raises:
        DiskFull: no space is left.
        EnvironmentNotReady: anything else.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"no space is left to write {path}") from error
        raise EnvironmentNotReady(
            f"{path} cannot be used: {error.strerror or error}",
            next_step="Check the folder's owner and rights, or move NIGHTLY_HOME.",
        ) from error
