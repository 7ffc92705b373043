"""The command line: help for everything, exit codes, messages, what changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nightly_pipeline.cli import main

VERBS = ("plan", "run", "rerun", "status", "report", "doctor", "prune", "images", "promote", "rollback")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def nightly(home: Path):
    def call(*arguments: str) -> Result:
        environment = {"NIGHTLY_HOME": str(home), "NIGHTLY_PROFILE": None, "COLUMNS": "200"}
        return CliRunner().invoke(main, arguments, env=environment, prog_name="nightly")

    return call


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(nightly, verb: str) -> None:
    answer = nightly(verb, "--help")
    assert answer.exit_code == 0
    assert f"nightly {verb}" in answer.stdout
    assert "Examples:" in answer.stdout
    assert "--profile" in answer.stdout


def test_help_names_every_verb_and_the_exit_codes(nightly) -> None:
    answer = nightly("--help")
    assert all(verb in answer.stdout for verb in VERBS)
    assert "Exit codes:" in answer.stdout


def test_the_plan_is_a_table_for_people_and_json_for_programs(nightly, home: Path) -> None:
    table, document = nightly("plan"), nightly("plan", "--format", "json")
    assert "MOCK ENGINE" in table.stdout
    plan = json.loads(document.stdout)
    assert len(plan["images"]) == 12
    assert len(plan["stages"]) == 24
    assert not plan["partial"]
    assert not home.exists(), "a plan changes nothing"


def test_a_selection_is_partial(nightly) -> None:
    plan = json.loads(nightly("plan", "--framework", "vllm", "--stage", "unit", "--format", "json").stdout)
    assert plan["partial"]
    assert {stage["stage"] for stage in plan["stages"]} == {"unit"}
    assert len(plan["images"]) == 4


def test_images_only_tests_nothing(nightly) -> None:
    plan = json.loads(nightly("plan", "--images-only", "--format", "json").stdout)
    assert plan["stages"] == []
    assert plan["partial"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("plan", "--framework", "vlm"), ["vlm", "perhaps you meant 'vllm'", "sglang, trtllm"]),
        (("plan", "--arch", "arm46"), ["arm46", "perhaps you meant 'arm64'"]),
        (("plan", "--stage", "unti"), ["unti", "perhaps you meant 'unit'"]),
        (("plan", "--profile", "locl"), ["locl", "perhaps you meant 'local'"]),
        (("run", "--date", "2999-01-01"), ["future"]),
        (("run", "--date", "2020-01-01"), ["before go-live"]),
        (("run", "--date", "yesterdy"), ["is no date", "YYYY-MM-DD"]),
    ],
)
def test_bad_input_exits_with_2_and_says_what_is_allowed(nightly, arguments, words) -> None:
    answer = nightly(*arguments)
    assert answer.exit_code == 2
    assert all(word in answer.stderr for word in words), answer.stderr
    assert "next:" in answer.stderr
    assert answer.stdout == ""


def test_an_unknown_option_exits_with_2(nightly) -> None:
    assert nightly("plan", "--framwork", "vllm").exit_code == 2


def test_a_profile_that_does_not_validate_names_the_field(nightly, tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text("extends: local\nbuild: {compresion: zstd}\n")
    answer = nightly("plan", "--profile", str(profile))
    assert answer.exit_code == 2
    assert "build.compresion" in answer.stderr
    assert "perhaps you meant 'compression'" in answer.stderr


def test_what_is_not_on_record_exits_with_8(nightly) -> None:
    assert nightly("report").exit_code == 8
    assert nightly("rerun", "0123abcd").exit_code == 8


def test_prune_deletes_only_when_told_to_and_only_what_is_old(nightly, home: Path) -> None:
    for night in ("2026-01-05", "2999-01-01"):
        (home / "artifacts" / night / "run").mkdir(parents=True)
        (home / "artifacts" / night / "run" / "report.json").write_text("{}")
    assert "2026-01-05: 1 artifacts would go" in nightly("prune").stdout
    assert (home / "artifacts" / "2026-01-05").exists()
    assert "2026-01-05: 1 artifacts deleted" in nightly("prune", "--yes").stdout
    assert not (home / "artifacts" / "2026-01-05").exists()
    assert (home / "artifacts" / "2999-01-01").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("plan",), ("history", "--check"), ("quarantine", "list")],
    ids=" ".join,
)
def test_what_only_reads_answers_without_dagster(home: Path, arguments: tuple[str, ...]) -> None:
    """Dagster takes longer to import than these commands take altogether."""
    code = (
        "import sys; from nightly_pipeline.cli import main\n"
        "try: main(sys.argv[1:], prog_name='nightly')\n"
        "finally: assert 'click' in sys.modules and 'dagster' not in sys.modules"
    )
    environment = {**os.environ, "NIGHTLY_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
