"""Who runs here, what that user may change, and what a build may have left behind."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.gpu_0, pytest.mark.pre_merge, pytest.mark.nightly]

OURS = ("/opt/nightly", "/opt/suite", "/opt/suite-packages", "/etc/nightly")
READ_ONLY = (*OURS, "/opt/engine", "/opt/engine/bin", "/etc", "/usr/bin")


def entries(*roots):
    """Yield every file and folder below the roots, links not followed."""
    for root in roots:
        for folder, folders, files in os.walk(root):
            yield from (Path(folder, name) for name in (*folders, *files))


def test_nothing_runs_as_root():
    assert (os.getuid(), os.getgid()) == (10001, 10001)
    assert os.geteuid() == os.getuid()


def test_the_user_has_a_name_and_a_home():
    user = pwd.getpwuid(os.getuid())
    assert user.pw_name == "nightly"
    assert Path(user.pw_dir).is_dir()
    assert os.access(user.pw_dir, os.W_OK)


def test_the_user_has_no_capabilities():
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
    )
    assert int(status["CapEff"], 16) == 0


def test_the_user_cannot_log_in():
    assert pwd.getpwuid(os.getuid()).pw_shell == "/usr/sbin/nologin"


def test_there_is_room_to_work(tmp_path):
    assert os.access(Path.cwd(), os.W_OK), f"{Path.cwd()} is not writable"
    (tmp_path / "probe").write_text("x")


@pytest.mark.parametrize("path", READ_ONLY)
def test_the_installation_cannot_be_changed(path):
    assert not os.access(path, os.W_OK)


def test_everything_of_ours_can_be_read():
    unreadable = [
        str(path) for path in entries(*OURS) if not path.is_symlink() and not os.access(path, os.R_OK)
    ]
    assert unreadable == []


def test_nothing_of_ours_is_writable_for_all_or_runs_as_another_user():
    forbidden = stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID
    found = [
        str(path) for path in entries(*OURS) if not path.is_symlink() and path.stat().st_mode & forbidden
    ]
    assert found == []


@pytest.mark.parametrize("path", ["/opt/uv", "/context", "/build", "/opt/suite-packages/bin"])
def test_the_build_left_no_tool(path):
    assert not Path(path).exists()


@pytest.mark.parametrize(
    "path",
    ["/run/secrets/ca", "/run/secrets/index", "/etc/pip.conf", "/etc/uv/uv.toml", "/home/nightly/.netrc",
     "/home/nightly/.config/pip/pip.conf", "/home/nightly/.docker/config.json"],
)  # fmt: skip
def test_the_build_left_no_secret(path):
    assert not Path(path).exists()


def test_nothing_installed_remembers_where_it_came_from():
    """A direct_url.json with a network address may hold the credentials of an index."""
    remembered = Path("/opt/engine").glob("lib/python3.*/site-packages/*.dist-info/direct_url.json")
    assert [str(path) for path in remembered if "@" in path.read_text()] == []
