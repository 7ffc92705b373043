"""Files into a container and out of it, as tar archives.

What comes out is untrusted: bounded in size and number, while links, devices and paths that lead elsewhere
are refused, each by name, without giving up on the rest.
"""

from __future__ import annotations

import errno
import io
import logging
import shutil
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from nightly_pipeline.errors import ContainerError, DiskFull

_log = logging.getLogger(__name__)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_EVERYBODYS = 0o1777
_SHOWN_NAME = 200
_SHOWN_REFUSALS = 100


@dataclass(frozen=True)
class ArchiveLimits:
    """How much is taken out of a container.

    Attributes:
        total_bytes: of all files together; a file that does not fit is refused, smaller ones may follow.
        members: files and folders.
        stream_bytes: of the archive that is read at all, refused files included.
    """

    total_bytes: int = 1024**3
    members: int = 20_000
    stream_bytes: int = 4 * 1024**3


@dataclass(frozen=True)
class Unpacked:
    """What was taken out of an archive.

    Attributes:
        files: how many files.
        total_bytes: of these files.
        refused: `name: why` for each member left out (the first 100), and for an archive that ends early.
    """

    files: int
    total_bytes: int
    refused: tuple[str, ...]


def container_path(path: str) -> str:
    """A path in a container, relative to its root.

    Raises:
        ContainerError: it is not absolute, is the root itself, or has `..` in it.
    """
    parsed = PurePosixPath(path)
    if not parsed.is_absolute() or ".." in parsed.parts or "\0" in path or len(parsed.parts) == 1:
        raise ContainerError(
            f"{path!r} is no place in a container", next_step="Use an absolute path without `..`."
        )
    return str(parsed.relative_to("/"))


def pack(files: Mapping[str, bytes], *, empty_folder: str | None = None) -> bytes:
    """An archive to be unpacked at a container's root.

    Only the empty folder is mentioned: unpacking changes owner and mode of folders that exist. The daemon
    makes those that are missing (0755).

    Args:
        files: absolute path -> content; mode 0644.
        empty_folder: absolute path of a folder that whoever runs in the container may write to (mode 1777).
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        if empty_folder is not None:
            archive.addfile(_header(empty_folder, tarfile.DIRTYPE, _EVERYBODYS, 0))
        for path, content in files.items():
            archive.addfile(_header(path, tarfile.REGTYPE, 0o644, len(content)), io.BytesIO(content))
    return buffer.getvalue()


def _header(path: str, kind: bytes, mode: int, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(container_path(path))
    header.type, header.mode, header.size, header.mtime = kind, mode, size, int(time.time())
    return header


def has_content(chunks: Iterable[bytes]) -> bool:
    """Whether an archive of a folder holds more than the folder itself. Reads no further than needed."""
    with tarfile.open(fileobj=_Chunks(chunks, limit=None), mode="r|") as archive:
        archive.next()
        return archive.next() is not None


def unpack(chunks: Iterable[bytes], destination: Path, limits: ArchiveLimits = ArchiveLimits()) -> Unpacked:
    """Unpack an archive of one folder; the folder's own name is left away. What has come whole is kept.

    Raises:
        DiskFull: no space is left.
        ContainerError: the destination cannot be written to.
    """
    try:
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ContainerError(f"results cannot be unpacked into {destination}: {error.strerror}") from error
    unpacking = _Unpacking(destination, limits)
    try:
        source = _Chunks(chunks, limits.stream_bytes)
        with tarfile.open(fileobj=source, mode="r|", tarinfo=_StrictHeader) as archive:
            for member in archive:
                if not unpacking.take(archive, member):
                    break
    except tarfile.TarError as error:
        unpacking.refuse("the rest", f"the archive ends early ({error})")
    return unpacking.result()


class _StrictHeader(tarfile.TarInfo):
    """Only the mark of the end ends an archive. By itself `tarfile` takes a broken header for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Read the next header."""
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # typeshed leaves it out
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


class _Unpacking:
    """The state of one `unpack`: where to, what is left of the limits, what was refused."""

    def __init__(self, destination: Path, limits: ArchiveLimits) -> None:
        self._destination = destination
        self._limits = limits
        self._members = self._files = self._bytes = self._refusals = 0
        self._refused: list[str] = []

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
        """Unpack a member, or refuse it; False when the limits leave no room for any further one."""
        member.name = "/".join(member.name.strip("/").split("/")[1:])
        if not member.name:
            return True
        self._members += 1
        if self._members > self._limits.members:
            self.refuse("the rest", f"more than {self._limits.members} files and folders")
            return False
        why_not = self._why_not(member)
        if why_not:
            self.refuse(member.name, why_not)
        else:
            self._extract(archive, member)
        return True

    def _why_not(self, member: tarfile.TarInfo) -> str | None:
        if not (member.isreg() or member.isdir()):
            return "links and devices are not taken"
        if ".." in PurePosixPath(member.name).parts or "\0" in member.name:
            return "its path leads elsewhere"
        if self._bytes + member.size > self._limits.total_bytes:
            return f"{member.size} bytes, too large ({self._limits.total_bytes} in all)"
        return None

    def _extract(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        # tarfile's own filters are missing in Debian 12's Python (3.11.2). What is taken here is simple enough without:
        # files and folders, made anew with rights of our own, and no link ever comes to lie on the way to them.
        try:
            self._write(archive, member)
        except tarfile.TarError:
            self._drop(member)
            raise
        except OSError as error:
            self._drop(member)
            if error.errno in _FULL:
                raise DiskFull(f"no space is left to unpack results into {self._destination}") from error
            self.refuse(member.name, error.strerror or str(error))
        else:
            self._files += member.isreg()
            self._bytes += member.size

    def _write(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        target = self._destination / member.name
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        content = archive.extractfile(member)
        with target.open("wb") as file:
            shutil.copyfileobj(content or io.BytesIO(), file)

    def _drop(self, member: tarfile.TarInfo) -> None:
        """Half a file is worse than none: it may read as a whole one."""
        with suppress(OSError):
            (self._destination / member.name).unlink(missing_ok=True)

    def refuse(self, name: str, why: str) -> None:
        """Leave a member out, and say so."""
        self._refusals += 1
        if self._refusals <= _SHOWN_REFUSALS:
            self._refused.append(f"{name[:_SHOWN_NAME]!a}: {why}")

    def result(self) -> Unpacked:
        """What was taken."""
        more = self._refusals - len(self._refused)
        refused = (*self._refused, f"{more} more") if more else tuple(self._refused)
        return Unpacked(self._files, self._bytes, refused)


class _Chunks(io.RawIOBase):
    """A stream of chunks as a file that `tarfile` can read from, up to a limit."""

    def __init__(self, chunks: Iterable[bytes], limit: int | None) -> None:
        super().__init__()
        self._chunks: Iterator[bytes] = iter(chunks)
        self._left = b""
        self._room = limit

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer at the end."""
        parts: list[bytes] = []
        wanted = size
        while wanted != 0 and (part := self._next_part(wanted)):
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def _next_part(self, wanted: int) -> bytes:
        while not self._left:
            chunk = self._next_chunk()
            if chunk is None or self._room == 0:
                return b""
            self._left = chunk if self._room is None else chunk[: self._room]
            self._room = None if self._room is None else self._room - len(self._left)
        part, self._left = self._left[:wanted], self._left[wanted:]
        return part

    def _next_chunk(self) -> bytes | None:
        """A source that breaks is an archive that ends there: what came before is still read."""
        try:
            return next(self._chunks, None)
        except OSError:
            _log.warning("an archive broke off", exc_info=True)
            return None
