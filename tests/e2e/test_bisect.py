"""A commit that breaks a test of the suite, found by the command: two nights are asked, then commits are built."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import SmallNight, git, make_night, manifest
from tests.registries import ACR, ECR

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow]

TODAY = datetime.now(UTC).date()
LAST_NIGHT = (TODAY - timedelta(days=1)).isoformat()
ONE_STAGE = {
    "architectures": {"arm64": None},
    "frameworks": {"vllm": {"overrides": None}},
    "stages": {"integration": None, "e2e_single_gpu": None, "e2e_multi_gpu": None},
}
TEST = "unit/test_answer.py::test_answer"
SUITE_FILE = '''
"""Put in to be broken."""

import pytest


@pytest.mark.unit
@pytest.mark.gpu_0
@pytest.mark.nightly
def test_answer():
    assert {answer} == 42, "the answer moved"
'''


def commit(night: SmallNight, subject: str, answer: str) -> str:
    file = night.source / "docker" / "suite" / "unit" / "test_answer.py"
    file.write_text(SUITE_FILE.format(answer=answer) + f"# {subject}\n")
    git(night.source, "add", "-A")
    git(night.source, "commit", "-q", "-m", subject)
    return git(night.source, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def commits(place: Path) -> tuple[SmallNight, list[str]]:
    """A good night, four commits of which the third breaks a test, and a bad night."""
    night = make_night(place, ("vllm",), ONE_STAGE)
    made = [commit(night, "Ask for the answer", "42")]
    night.nightly("run", "--date", LAST_NIGHT, "--revision", made[0])
    made += [commit(night, subject, answer) for subject, answer in (
        ("Say why", "42"), ("Think again", "42"), ("Move the answer", "41 + 2"), ("Write it down", "41 + 2"),
    )]  # fmt: skip
    night.nightly("run", expect=1)
    return night, made


@pytest.fixture(scope="module")
def stopped(commits: tuple[SmallNight, list[str]]) -> dict:
    """The search after one of the two images it has to build."""
    night, _ = commits
    return json.loads(night.nightly("bisect", TEST, "--max-builds", "1", "--format", "json", expect=8))


@pytest.fixture(scope="module")
def found(commits: tuple[SmallNight, list[str]], stopped: dict) -> dict:
    night, _ = commits
    return json.loads(night.nightly("bisect", TEST, "--format", "json"))


def test_it_stops_at_its_limit_and_goes_on_where_it_was(stopped: dict, found: dict) -> None:
    assert (stopped["state"], stopped["message"], len(stopped["culprits"])) == ("stopped", "1 image built", 2)
    assert "The same command goes on" in stopped["next_step"]
    assert found["looks"][: len(stopped["looks"])] == stopped["looks"]


def test_it_names_the_commit_its_author_and_the_line_of_the_log(
    commits: tuple[SmallNight, list[str]], found: dict
) -> None:
    (culprit,) = found["culprits"]
    assert found["state"] == "found"
    assert (culprit["revision"], culprit["subject"]) == (commits[1][3], "Move the answer")
    assert culprit["author"] == "Test"
    assert any(
        "the answer moved" in look["line"] for look in found["looks"] if look["name"] == culprit["revision"]
    )


def test_the_ends_were_asked_without_building_and_two_commits_were_built(found: dict) -> None:
    assert [(look["name"], look["finding"]) for look in found["looks"] if not look["built"]] == [
        (TODAY.isoformat(), "bad"),
        (LAST_NIGHT, "good"),
    ]
    assert sum(look["built"] for look in found["looks"]) == 2


def test_no_tag_that_people_use_was_moved(commits: tuple[SmallNight, list[str]], found: dict) -> None:
    night, _ = commits
    report = night.report()
    (digest,) = {row["digest"] for row in report["images"] if row["kind"] == "runtime"}
    for host in (ECR, ACR):
        answer = manifest(host, night.repository, "nightly-vllm-amd64")
        assert answer is not None
        assert answer[0] == digest


def test_the_same_command_looks_at_nothing_again(commits: tuple[SmallNight, list[str]], found: dict) -> None:
    night, _ = commits
    again = json.loads(night.nightly("bisect", TEST, "--format", "json"))
    assert again["looks"] == found["looks"]
    assert "Move the answer" in night.nightly("bisect", "test_answer")


def test_the_nights_own_results_are_untouched(commits: tuple[SmallNight, list[str]], found: dict) -> None:
    night, _ = commits
    (stage,) = night.report()["stages"]
    assert stage["status"] == "failed"
    assert [failure["test"] for failure in stage["failures"]] == [TEST]


def test_a_good_night_whose_image_is_gone_is_built_from_its_commit(
    commits: tuple[SmallNight, list[str]], found: dict
) -> None:
    night, made = commits
    (digest,) = {look["digest"] for look in found["looks"] if look["name"] == LAST_NIGHT}
    httpx.delete(f"http://{ECR}/v2/{night.repository}/manifests/{digest}", trust_env=False).raise_for_status()
    again = json.loads(night.nightly("bisect", TEST, "--restart", "--format", "json"))
    assert [one["revision"] for one in again["culprits"]] == [made[3]]
    (end,) = [look for look in again["looks"] if look["name"] == LAST_NIGHT]
    assert (end["finding"], end["built"]) == ("good", True)
