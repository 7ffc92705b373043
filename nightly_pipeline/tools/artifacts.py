"""Where artifacts are kept: a folder (here) or a bucket (`artifacts_s3`), behind `steps.ports.ArtifactStore`.

What a key may be is decided here, once, for every store; what a store does with a valid key is its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from nightly_pipeline.errors import RecordError
from nightly_pipeline.tools.files import TEMPORARY, explained, flush_folder

_SEGMENT = re.compile(r"[A-Za-z0-9_%+=@~-][A-Za-z0-9_%+=@~.-]*")
_LONGEST_SEGMENT = 200
_LONGEST_KEY = 1000
_PATIENCE = 100
_ABANDONED_S = 3600.0
"""After so long without a change nobody is writing any more."""


def quote_name(name: str) -> str:
    """Make any text one safe part of a key: percent-encoded, never hidden, at most 200 characters.

    What is already safe stays as it is; different names stay different. One that is too long keeps its start
    and gets a hash of the whole.
    """
    quoted = quote(name, safe="+=@~", errors="surrogatepass")
    if not quoted or quoted.startswith("."):
        quoted = "%2E" + quoted[1:] if quoted else "%"
    if len(quoted) > _LONGEST_SEGMENT:
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]
        quoted = f"{quoted[: _LONGEST_SEGMENT - 18]}~{digest}"
    return quoted


def file_to_keep(key: str, path: Path) -> BinaryIO:
    """The file that is to be kept under a key, opened. RecordError when there is no such file."""
    try:
        return path.open("rb")
    except OSError as error:
        raise RecordError(
            f"{path} cannot be kept as {key}: {error.strerror}",
            next_step="Look in the step's log for why it was not written.",
        ) from error


def checked_key(key: str) -> str:
    """Return the key when every part of it is safe on every store.

    Raises:
        RecordError: it is absolute, empty, too long, has `..`, a hidden part, or a character to be quoted.
    """
    if len(key) <= _LONGEST_KEY and all(_is_safe(segment) for segment in key.split("/")):
        return key
    raise RecordError(
        f"{key[:200]!r} is no artifact key",
        next_step="Use relative keys such as `2026-11-20/<run>/unit/junit.xml`; quote untrusted names.",
    )


def _is_safe(segment: str) -> bool:
    return len(segment) <= _LONGEST_SEGMENT and _SEGMENT.fullmatch(segment) is not None


class LocalArtifactStore:
    """Artifacts as files below a folder. Safe to use from several processes at a time.

    A reader sees an artifact whole or not at all: content is written beside its place, flushed to the disk,
    and moved there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def __repr__(self) -> str:
        return f"LocalArtifactStore({str(self._root)!r})"

    def write(self, key: str, content: bytes) -> None:
        """Write whole or not at all; an existing artifact is replaced.

        Raises:
            DiskFull: no space is left; the artifact is as it was before.
            EnvironmentNotReady: the folder cannot be written to.
            RecordError: the key is not one.
        """
        self._replace(key, lambda file: _write_all(file, content))

    def write_once(self, key: str, content: bytes) -> bool:
        """Like `write`, unless the key is taken: of several writers the first wins. Whether this one did."""
        path = self._path(key)
        with explained(path):
            file, temporary = _open_beside(path)
            try:
                with file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(temporary, path)  # unlike a move, a link fails where something is already
            except FileExistsError:
                return False
            finally:
                temporary.unlink(missing_ok=True)
            flush_folder(path.parent)
        return True

    def write_file(self, key: str, path: Path) -> None:
        """Like `write`, from a file, without holding it in memory. RecordError when there is no such file."""
        with file_to_keep(key, path) as source:
            self._replace(key, lambda file: shutil.copyfileobj(source, file, 1024 * 1024))

    def read(self, key: str) -> bytes | None:
        """The content, or None when it is absent."""
        path = self._path(key)
        with explained(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def read_file(self, key: str, path: Path) -> bool:
        """Like `read`, into a file, without holding it in memory. Whether it was there."""
        source = self._path(key)
        with explained(path):
            try:
                shutil.copyfile(source, path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                if path.parent.is_dir():
                    return False
                raise
        return True

    def keys(self, prefix: str) -> list[str]:
        """All keys below a folder, sorted; everything for an empty prefix; the key itself where it is one."""
        top = self._path(prefix) if prefix else self._root
        if top.is_file():
            return [prefix]
        with explained(top):
            return sorted(path.relative_to(self._root).as_posix() for path in _files_below(top))

    def delete(self, prefix: str) -> int:
        """Delete everything below a prefix; return how many artifacts went. Folders left empty go too."""
        found = self.keys(checked_key(prefix))
        top = self._path(prefix)
        with explained(top):
            if top.is_file():
                top.unlink(missing_ok=True)
            else:
                _clear(top)
        self._drop_empty_parents(top)
        return len(found)

    def dates(self) -> list[date]:
        """The nights that have artifacts, oldest first: what pruning chooses from."""
        if not self._root.is_dir():
            return []
        with explained(self._root):
            nights = [night_of(path.name) for path in self._root.iterdir() if path.is_dir()]
        return sorted(night for night in nights if night is not None)

    def location(self, key: str) -> str:
        """The absolute path of the artifact."""
        return str(self._path(key).absolute())

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*checked_key(key).split("/"))

    def _replace(self, key: str, fill: Callable[[BinaryIO], None]) -> None:
        path = self._path(key)
        with explained(path):
            file, temporary = _open_beside(path)
            try:
                with file:
                    fill(file)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            flush_folder(path.parent)

    def _drop_empty_parents(self, path: Path) -> None:
        for parent in path.parents:
            if parent == self._root or self._root not in parent.parents:
                return
            try:
                parent.rmdir()
            except OSError:  # not empty, or another process was faster
                return


def _write_all(file: BinaryIO, content: bytes) -> None:
    file.write(content)


def _open_beside(path: Path) -> tuple[BinaryIO, Path]:
    """A new file in the artifact's folder; tried again when a `delete` takes the folder away meanwhile."""
    for _ in range(_PATIENCE):
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return _new_file(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    return _new_file(path.parent)


def _new_file(folder: Path) -> tuple[BinaryIO, Path]:
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY)
    os.fchmod(descriptor, 0o644)  # for whoever looks at the night, not for its writer alone
    return os.fdopen(descriptor, "wb"), Path(name)


def _files_below(top: Path) -> Iterator[Path]:
    """Every artifact below a folder: no links, nothing half written, nothing hidden."""
    for folder, subfolders, names in os.walk(top):
        subfolders[:] = [name for name in subfolders if _is_safe(name)]
        for name in names:
            path = Path(folder, name)
            if _is_safe(name) and path.is_file() and not path.is_symlink():
                yield path


def night_of(name: str) -> date | None:
    """The night a folder is of; None when it is another one."""
    try:
        night = date.fromisoformat(name)
    except ValueError:
        return None
    return night if night.isoformat() == name else None


def _clear(top: Path) -> None:
    """Remove a folder with all in it, except for what somebody is writing there right now."""
    for folder, subfolders, names in os.walk(top, topdown=False):
        for path in (Path(folder, name) for name in names):
            if not _is_being_written(path):
                path.unlink(missing_ok=True)
        for path in (Path(folder, name) for name in subfolders):
            _remove_empty(path)
    _remove_empty(top)


def _is_being_written(path: Path) -> bool:
    if not path.name.startswith(TEMPORARY):
        return False
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime > time.time() - _ABANDONED_S
    return True


def _remove_empty(folder: Path) -> None:
    """Links to folders are only unlinked. What was written meanwhile stays, and its folder with it."""
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
