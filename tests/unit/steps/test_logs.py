"""A log that is shown as it happens and kept as a file."""

from __future__ import annotations

import errno

import pytest

from nightly_pipeline.errors import DiskFull, EnvironmentNotReady
from nightly_pipeline.steps.logs import KeptLog


def test_lines_are_handed_on_and_kept(tmp_path):
    shown: list[str] = []
    with KeptLog(shown.append, tmp_path / "deep" / "build.log") as log:
        log("one")
        log("zwei \udcff \x00")

    assert shown == ["one", "zwei \udcff \x00"]
    assert (tmp_path / "deep" / "build.log").read_bytes() == b"one\nzwei \\udcff \x00\n"


def test_what_was_said_before_an_error_is_kept(tmp_path):
    def interrupted() -> None:
        with KeptLog(lambda _line: None, tmp_path / "build.log") as log:
            log("one")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert (tmp_path / "build.log").read_text() == "one\n"


class Full:
    """A file on a disk that has no space left."""

    def write(self, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    close = property(lambda self: lambda: self.write(""))


def test_a_disk_that_fills_up_does_not_stop_what_is_logged(tmp_path):
    shown: list[str] = []
    with KeptLog(shown.append, tmp_path / "build.log") as log:
        log._file.close()
        log._file = Full()
        log("one")
        log("two")

    assert shown == ["one", "two"]


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EACCES, EnvironmentNotReady)],
)
def test_a_log_that_cannot_be_begun_is_an_error_of_ours(tmp_path, monkeypatch, number, error):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("pathlib.Path.open", refuse)

    with pytest.raises(error, match="cannot be written: no") as raised:
        KeptLog(print, tmp_path / "build.log")
    assert type(raised.value) is error
