from __future__ import annotations

import errno
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import ContainerError, DiskFull
from nightly_pipeline.tools.archive import ArchiveLimits, container_path, has_content, pack, unpack


def archive(*members: tuple[str, object], top: str = "results") -> bytes:
    """A folder as a daemon sends it. A member is (name, bytes | None for a folder | a ready TarInfo)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(_entry(top, tarfile.DIRTYPE))
        for name, what in members:
            if isinstance(what, tarfile.TarInfo):
                what.name = f"{top}/{name}"
                tar.addfile(what)
            elif what is None:
                tar.addfile(_entry(f"{top}/{name}", tarfile.DIRTYPE))
            else:
                entry = _entry(f"{top}/{name}", tarfile.REGTYPE)
                entry.size = len(what)
                tar.addfile(entry, io.BytesIO(what))
    return buffer.getvalue()


def _entry(name: str, kind: bytes, **fields: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, 0o755
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry


def link(kind: bytes, to: str) -> tarfile.TarInfo:
    return _entry("", kind, linkname=to)


def in_chunks(content: bytes, size: int = 700) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_what_is_packed_is_named_from_the_root_with_modes_for_everybody():
    packed = pack({"/nightly/plugin/a.py": b"x"}, empty_folder="/nightly/results")
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        modes = {member.name: (member.type, member.mode) for member in tar}
    assert modes == {
        "nightly/results": (tarfile.DIRTYPE, 0o1777),
        "nightly/plugin/a.py": (tarfile.REGTYPE, 0o644),
    }


@pytest.mark.parametrize("path", ["", "/", "relative", "/a/../b", "..", "/a\0b", "//"])
def test_a_path_that_is_no_place_in_a_container_is_refused(path):
    with pytest.raises(ContainerError):
        container_path(path)


def test_a_folder_comes_out_without_its_own_name(tmp_path):
    content = archive(("a", b"1"), ("sub", None), ("sub/b", b"2"))
    unpacked = unpack(in_chunks(content), tmp_path / "new" / "folder")
    assert tree(tmp_path / "new" / "folder") == {"a": b"1", "sub": None, "sub/b": b"2"}
    assert (unpacked.files, unpacked.total_bytes, unpacked.refused) == (2, 2, ())


@given(st.integers(min_value=1, max_value=3000))
def test_however_the_stream_is_cut_it_is_the_same(size):
    with tempfile.TemporaryDirectory() as folder:
        content = archive(("a", b"1" * 5000), ("b", b"2"))
        assert unpack(in_chunks(content, size), Path(folder)).files == 2


@pytest.mark.parametrize(
    "member",
    [
        link(tarfile.SYMTYPE, "/etc/passwd"),
        link(tarfile.SYMTYPE, "../.."),
        link(tarfile.LNKTYPE, "results/a"),
        _entry("", tarfile.FIFOTYPE),
        _entry("", tarfile.CHRTYPE, devmajor=1, devminor=3),
        _entry("", tarfile.BLKTYPE),
    ],
    ids=["symlink", "symlink up", "hard link", "fifo", "character device", "block device"],
)
def test_links_and_devices_are_refused_by_name_and_the_rest_is_taken(tmp_path, member):
    unpacked = unpack([archive(("a", b"1"), ("evil", member), ("z", b"2"))], tmp_path)
    assert tree(tmp_path) == {"a": b"1", "z": b"2"}
    assert unpacked.refused == ("'evil': links and devices are not taken",)


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/outside", "sub/../../../outside"])
def test_a_path_that_leads_elsewhere_writes_nothing_there(tmp_path, name):
    folder = tmp_path / "results"
    unpack([archive((name, b"evil"), ("fine", b"1"))], folder)
    assert (folder / "fine").read_bytes() == b"1"
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


def test_a_link_with_a_file_below_it_leads_nowhere(tmp_path):
    folder, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    elsewhere.mkdir()
    unpack([archive(("d", link(tarfile.SYMTYPE, str(elsewhere))), ("d/file", b"evil"))], folder)
    assert list(elsewhere.iterdir()) == []


def test_modes_that_lock_us_out_or_give_rights_away_are_not_kept(tmp_path):
    entry = _entry("results/a", tarfile.REGTYPE, mode=0o6000)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(entry, io.BytesIO())
    unpack([buffer.getvalue()], tmp_path)
    assert (tmp_path / "a").stat().st_mode & 0o7600 == 0o600


def test_a_file_that_does_not_fit_is_refused_and_smaller_ones_are_taken(tmp_path):
    content = archive(("core", b"x" * 5000), ("evidence", b"1"))
    unpacked = unpack([content], tmp_path, ArchiveLimits(total_bytes=1000))
    assert tree(tmp_path) == {"evidence": b"1"}
    assert unpacked.refused == ("'core': 5000 bytes, too large (1000 in all)",)


def test_the_limit_is_for_all_files_together(tmp_path):
    content = archive(*((str(number), b"x" * 400) for number in range(5)))
    assert unpack([content], tmp_path, ArchiveLimits(total_bytes=1000)).files == 2


def test_too_many_members_end_it(tmp_path):
    content = archive(*((str(number), b"") for number in range(50)))
    unpacked = unpack([content], tmp_path, ArchiveLimits(members=10))
    assert len(tree(tmp_path)) == 10
    assert unpacked.refused == ("'the rest': more than 10 files and folders",)


def test_no_more_is_read_than_the_limit(tmp_path):
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        yield archive(("a", b"1"), ("b", b"x" * 10_000))[:-8000]
        while True:
            read += 1
            yield b"\1" * 1024

    unpacked = unpack(endless(), tmp_path, ArchiveLimits(total_bytes=100, stream_bytes=50_000))
    assert read <= 50
    assert tree(tmp_path) == {"a": b"1"}
    assert "ends early" in unpacked.refused[-1]


def test_refusals_are_counted_beyond_a_hundred(tmp_path):
    content = archive(*((str(number), link(tarfile.SYMTYPE, "/")) for number in range(130)))
    unpacked = unpack([content], tmp_path)
    assert len(unpacked.refused) == 101
    assert unpacked.refused[-1] == "30 more"


def test_an_archive_that_ends_early_keeps_what_came_whole_and_nothing_half(tmp_path):
    content = archive(("a", b"1"), ("b", b"x" * 5000))
    unpacked = unpack([content[:-8000]], tmp_path)
    assert tree(tmp_path) == {"a": b"1"}
    assert "ends early" in unpacked.refused[0]


def test_a_connection_that_breaks_is_an_archive_that_ends_early(tmp_path):
    def breaking() -> Iterator[bytes]:
        yield archive(("a", b"1"), ("b", b"x" * 5000))[:-8000]
        raise ConnectionResetError

    unpacked = unpack(breaking(), tmp_path)
    assert tree(tmp_path) == {"a": b"1"}
    assert "ends early" in unpacked.refused[0]


@pytest.mark.parametrize("nothing", [[], [b""], [b"\0" * 1024], [b"not a tar at all" * 100]])
def test_what_is_no_archive_gives_no_files(tmp_path, nothing):
    assert unpack(nothing, tmp_path).files == 0


def test_names_are_shown_without_control_characters(tmp_path):
    (shown,) = unpack([archive(("\x1b[31m\nred", link(tarfile.SYMTYPE, "/")))], tmp_path).refused
    assert "\x1b" not in shown
    assert "\n" not in shown


def test_a_full_disk_is_said_as_such(tmp_path, monkeypatch):
    def full(*_arguments: object, **_keywords: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractfile", full)
    with pytest.raises(DiskFull):
        unpack([archive(("a", b"1"))], tmp_path)


def test_a_destination_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ContainerError, match="cannot be unpacked"):
        unpack([archive(("a", b"1"))], tmp_path / "file" / "folder")


def test_content_is_told_from_emptiness():
    assert has_content(in_chunks(archive(("a", b"1"))))
    assert not has_content(in_chunks(archive()))
