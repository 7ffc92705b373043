"""`nightly bisect`, as far as it goes without a daemon: what is asked, what is refused, how it ends."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import stamina
from click.testing import CliRunner, Result

from nightly_pipeline.cli import main
from nightly_pipeline.model.bisect_record import bisect_id
from nightly_pipeline.model.history import EntryRow, NightRow
from nightly_pipeline.tools.history import ParquetHistory
from tests.clock import today
from tests.unit.model.pasts import TEST, row

SIGNS = "..F"


def night(number: int) -> str:
    return (today() - timedelta(days=len(SIGNS) - 1 - number)).isoformat()


@pytest.fixture
def bisect(tmp_path: Path):
    """The command over three nights, of which the last is bad."""
    profile = tmp_path / "own.yaml"
    profile.write_text(f"extends: local\ngo_live: {today() - timedelta(days=30)}\n")
    history = ParquetHistory(tmp_path / "home" / "history")
    for number, sign in enumerate(SIGNS):
        run = {"date": night(number), "run_id": f"run-{number}"}
        image = EntryRow(
            **run,
            framework=TEST.framework,
            arch=TEST.arch,
            name="runtime_image",
            status="built",
            good=True,
            digest=f"sha256:{number:064}",
            source_revision=f"c{number}",
            engine_kind="mock",
        )
        whole = NightRow(**run, status="red", engine_kind="mock", profile="local", partial=False)
        tests = [row(sign, number, date=night(number), test=test) for test in (TEST, other("arm64"), other())]
        history.write(whole, [image], tests)

    def call(*arguments: str) -> Result:
        environment = {"NIGHTLY_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
        argv = ["bisect", "--profile", str(profile), *arguments]
        return CliRunner().invoke(main, argv, env=environment, prog_name="nightly")

    return call


def other(arch: str = "amd64", name: str = "unit/test_other.py::test_y"):
    node_id = name if arch == "amd64" else TEST.node_id
    return TEST.model_copy(update={"arch": arch, "node_id": node_id})


def test_a_dry_run_says_what_would_be_looked_at_and_looks_at_nothing(bisect):
    shown = bisect("test_x", "--dry-run")
    assert shown.exit_code == 0
    assert all(word in shown.stdout for word in (night(1), night(2), "At most 2 runs"))
    assert night(0) not in shown.stdout


def test_the_plan_is_json_too(bisect):
    document = json.loads(bisect("test_x", "--dry-run", "--good", night(0), "--format", "json").stdout)
    assert (document["good"], document["bad"], document["state"]) == (night(0), night(2), "searching")
    assert (document["nights"], document["looks"], document["culprits"]) == (
        [night(n) for n in range(3)],
        [],
        [],
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("test_x", "--good", "2026-13-45"), 2, "--good: '2026-13-45' is no date"),
        (("test_x", "--framework", "vlm"), 2, "perhaps you meant 'vllm'"),
        (("test_x", "--bad", "soon"), 2, "Write it as YYYY-MM-DD"),
        (("test_x", "--bad", "2999-01-01"), 2, "lies in the future"),
        (("test_x", "--good", night(2), "--bad", night(1)), 2, "must be before the bad one"),
        (("test_", "--arch", "amd64"), 2, "2 tests are meant"),
        (("test_x", "--arch", "arm64"), 2, "only collected"),
        (("test_X1", "--arch", "amd64"), 8, "Perhaps you meant"),
        (("zzz",), 8, "no test with 'zzz' in its name is on record"),
        (("test_x", "--repeat", "0"), 2, "0 is not in the range"),
    ],
)
def test_what_cannot_be_asked_is_said_with_its_exit_code(bisect, arguments, code, words):
    refused = bisect(*arguments, "--dry-run")
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert words in refused.stderr


def test_a_registry_that_is_away_stops_the_search_and_teaches_it_nothing(bisect, tmp_path):
    profile = tmp_path / "own.yaml"
    away = "{host: '127.0.0.1:9'}"  # nothing listens there
    profile.write_text(f"{profile.read_text()}registries: {{ecr: {away}, acr: {away}}}\n")
    with stamina.set_testing(True):  # it is asked once, without waiting
        stopped, shown = bisect("test_x", "--format", "json"), bisect("test_x").stdout
    document = json.loads(stopped.stdout)
    assert (stopped.exit_code, document["state"], document["looks"]) == (8, "stopped", [])
    assert "127.0.0.1:9" in document["message"]
    assert document["next_step"].endswith("The same command goes on.")
    assert "Stopped, " in shown
    assert "next: It may pass by itself. The same command goes on." in shown


def test_a_search_that_was_written_down_and_is_damaged_is_said(bisect, tmp_path):
    file = tmp_path / "home" / "bisects" / f"{bisect_id(TEST, night(1), night(2))}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"good": 1')
    refused = bisect("test_x", "--dry-run")
    assert (refused.exit_code, "--restart" in refused.stderr) == (8, True)
    assert bisect("test_x", "--dry-run", "--restart").exit_code == 0
