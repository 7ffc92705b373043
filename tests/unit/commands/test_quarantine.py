"""`nightly quarantine list`, `add` and `expire`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nightly_pipeline.cli import main
from nightly_pipeline.tools.history import ParquetHistory
from tests.clock import days_ago, today
from tests.unit.model.pasts import row
from tests.unit.steps.judging import named, night_row

ADD = ("add", "a.py::test_a", "--owner", "@kv", "--reason", "races", "--issue", "#217")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known.yaml"


@pytest.fixture
def quarantine(tmp_path: Path, file: Path):
    profile = tmp_path / "own.yaml"
    profile.write_text(f"extends: local\nquarantine: {{file: {file}, leave_after_nights: 2}}\n")

    def call(verb: str, *arguments: str) -> Result:
        environment = {"NIGHTLY_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
        argv = ["quarantine", verb, "--profile", str(profile), *arguments]
        return CliRunner().invoke(main, argv, env=environment, prog_name="nightly")

    return call


def test_an_entry_comes_in_and_ends(quarantine, file):
    assert "Nothing is in the quarantine" in quarantine("list").stdout
    added = quarantine(*ADD, "--days", "7", "--cell", "vllm/amd64")
    assert added.exit_code == 0
    assert str(today() + timedelta(days=6)) in added.stdout
    (note,) = json.loads(quarantine("list", "--format", "json").stdout)
    assert (note["state"], note["owner"], note["cells"]) == ("unmatched", "@kv", ["vllm/amd64"])
    assert "counts again" in quarantine("expire", "a.py::test_a").stdout
    table = quarantine("list").stdout
    assert "expired" in table
    assert "their failures count again" in table


@pytest.mark.parametrize(("signs", "state"), [(".F", "active"), ("..", "ready_to_leave")])
def test_the_list_says_how_an_entry_stands_by_the_last_nights(quarantine, tmp_path, file, signs, state):
    history = ParquetHistory(tmp_path / "home" / "history")
    for number, sign in enumerate(signs):
        night = (today() - timedelta(days=1 - number)).isoformat()
        result = row(sign, number, test=named("a.py::test_a"), date=night)
        history.write(night_row(number, date=night), [], [result])
    quarantine(*ADD)
    file.write_text(file.read_text().replace(f"since: {today()}", f"since: {today() - timedelta(days=5)}"))
    (note,) = json.loads(quarantine("list", "--format", "json").stdout)
    assert (note["state"], note["failing"]) == (state, int(signs[-1] == "F"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*ADD[:-1], "later"), "where it is followed"),
        ((*ADD, "--days", "0"), "not in the range"),
        ((*ADD, "--days", "99999999"), "not in the range"),
        ((*ADD, "--cell", "vllm"), "should match pattern"),
        (("add", "*::test_*", *ADD[2:]), "would hide a whole night"),
        (("expire", "b.py::test_b"), "unknown entry"),
        (("add", "*", *ADD[2:]), "name a test"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(quarantine, file, arguments, words):
    quarantine(*ADD[:1], "c.py::c", *ADD[2:])
    before = file.read_text()
    answer = quarantine(*arguments)
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert file.read_text() == before


@pytest.mark.parametrize("verb", ["list", "add", "expire"])
def test_every_verb_has_help_with_examples(quarantine, verb):
    answer = CliRunner().invoke(main, ["quarantine", verb, "--help"], prog_name="nightly")
    assert f"nightly quarantine {verb}" in answer.stdout
    assert "Examples:" in answer.stdout


def test_a_run_of_a_part_of_the_night_is_not_what_the_list_stands_on(quarantine, tmp_path, file):
    history = ParquetHistory(tmp_path / "home" / "history")
    history.write(
        night_row(0, date=days_ago(1)), [], [row("F", 0, test=named("a.py::test_a"), date=days_ago(1))]
    )
    part = night_row(1, date=days_ago(0)).model_copy(update={"partial": True})
    history.write(part, [], [row(".", 1, test=named("b.py::test_b"), date=days_ago(0))])
    quarantine(*ADD)
    file.write_text(file.read_text().replace(f"since: {today()}", f"since: {today() - timedelta(days=5)}"))
    (note,) = json.loads(quarantine("list", "--format", "json").stdout)
    assert (note["state"], note["failing"]) == ("active", 1)
