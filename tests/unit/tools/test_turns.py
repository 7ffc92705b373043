from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.tools.turns import FileTurns

NIGHT = "2026-11-20"
HOLDER = """
import sys, time
from pathlib import Path
from nightly_pipeline.tools.turns import FileTurns
with FileTurns(Path(sys.argv[1])).take(sys.argv[2], wait_s=0) as mine:
    print(mine, flush=True)
    time.sleep(600)
"""


def test_one_holds_a_turn_and_the_others_do_not(tmp_path: Path) -> None:
    first, second = FileTurns(tmp_path / "turns"), FileTurns(tmp_path / "turns")
    with first.take(NIGHT, wait_s=0) as mine, second.take(NIGHT, wait_s=0.2) as theirs:
        assert mine
        assert not theirs
    with second.take(NIGHT, wait_s=0) as theirs:
        assert theirs


def test_every_name_has_a_turn_of_its_own(tmp_path: Path) -> None:
    turns = FileTurns(tmp_path)
    with turns.take("a/b", wait_s=0) as one, turns.take("..", wait_s=0) as another:
        assert one
        assert another


def test_a_turn_ends_with_the_process_that_holds_it_however_that_ends(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path), NIGHT]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with FileTurns(tmp_path).take(NIGHT, wait_s=0) as mine:
            assert not mine
        holder.kill()
        holder.wait()
        with FileTurns(tmp_path).take(NIGHT, wait_s=5) as mine:
            assert mine


def test_a_folder_that_cannot_be_used_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EnvironmentNotReady, match="cannot be used"),
        FileTurns(tmp_path / "file").take(NIGHT, wait_s=0),
    ):
        pass
