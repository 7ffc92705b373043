"""A commit breaks one test and makes another one unsteady, on a night on which a third is bad for what is around it.

All of it is read from two nights of one repository, a good one and, four commits later, a bad one: what failed is run
again and told apart, the commit is searched for, and the good night is repeated.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from tests.clock import days_ago
from tests.e2e.conftest import A_TEST_S, SmallNight, git, make_night, manifest
from tests.registries import ACR, ECR

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(A_TEST_S)]

ONE_STAGE = {
    "architectures": {"arm64": None},
    "frameworks": {"vllm": {"overrides": None}},
    "stages": {
        "unit": {"environment": {"LICENCE": "valid"}},
        "integration": None,
        "e2e_single_gpu": None,
        "e2e_multi_gpu": None,
    },
}
BROKEN, UNSTEADY, OUTSIDE = (f"unit/test_put_in.py::test_{name}" for name in ("answer", "alone", "licence"))
SUITE_FILE = '''
"""Put in to be broken."""

import os

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.gpu_0, pytest.mark.nightly]


def test_answer():
    assert {answer} == 42, "the answer moved"


def test_alone(request):
    """Good where few tests run, as a test that others disturb."""
    assert len(request.session.items) < {most}, "disturbed"


def test_licence():
    """Asks what is not in the image."""
    assert os.environ["LICENCE"] == "valid", "the licence is over"
'''
GOOD, BAD = {"answer": "42", "most": 10_000}, {"answer": "41 + 2", "most": 5}


@dataclass(frozen=True)
class Nights:
    """The repository's commits, oldest first; the first had the good night, the last the bad one."""

    small: SmallNight
    commits: list[str]


def licence(night: SmallNight, state: str) -> None:
    """What is around the image from now on."""
    before = night.profile.read_text()
    night.profile.write_text(re.sub(r"LICENCE: \w+", f"LICENCE: {state}", before))


def commit(night: SmallNight, subject: str, **content: Any) -> str:
    file = night.source / "docker" / "suite" / "unit" / "test_put_in.py"
    file.write_text(SUITE_FILE.format(**content) + f"# {subject}\n")
    git(night.source, "add", "-A")
    git(night.source, "commit", "-q", "-m", subject)
    return git(night.source, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def nights(place: Path) -> Nights:
    """A good night, four commits of which the third breaks a test, and a bad night."""
    small = make_night(place, ("vllm",), ONE_STAGE)
    made = [commit(small, "Ask for the answer", **GOOD)]
    small.nightly("run", "--date", days_ago(1), "--revision", made[0])
    made += [commit(small, subject, **GOOD) for subject in ("Say why", "Think again")]
    made += [commit(small, subject, **BAD) for subject in ("Move the answer", "Write it down")]
    licence(small, "over")
    small.nightly("run", expect=1)
    return Nights(small, made)


@pytest.fixture(scope="module")
def night(nights: Nights) -> SmallNight:
    return nights.small


@pytest.fixture(scope="module")
def last_night(night: SmallNight) -> dict[str, Any]:
    return night.report("--date", days_ago(1))


@pytest.fixture(scope="module")
def confirmed(night: SmallNight, report: dict[str, Any]) -> dict[str, Any]:
    """What was written down of the reruns."""
    return json.loads((folder(night, report) / "confirmation.json").read_text())


@pytest.fixture(scope="module")
def stopped(night: SmallNight, confirmed: dict[str, Any]) -> dict[str, Any]:
    """The search for the commit, after one of the two images it has to build."""
    return json.loads(night.nightly("bisect", BROKEN, "--max-builds", "1", "--format", "json", expect=8))


@pytest.fixture(scope="module")
def found(night: SmallNight, stopped: dict[str, Any]) -> dict[str, Any]:
    """The same search, gone on with."""
    return json.loads(night.nightly("bisect", BROKEN, "--format", "json"))


def folder(night: SmallNight, report: dict[str, Any]) -> Path:
    cell = Path(report["date"], report["run_id"], "vllm", "amd64", "unit", "confirmation")
    return night.home / "artifacts" / cell


def tagged(night: SmallNight) -> set[str | None]:
    """What the tag that people use means, in both registries; None where it is not there."""
    answers = [manifest(host, night.repository, "nightly-vllm-amd64") for host in (ECR, ACR)]
    return {answer and answer[0] for answer in answers}


def runtime_digests(report: dict[str, Any]) -> set[str]:
    return {row["digest"] for row in report["images"] if row["kind"] == "runtime"}


def summaries(night: SmallNight, date: str) -> list[set[str]]:
    """What each summary's run of a night materialized, oldest first."""
    instance = night.instance()
    runs = instance.get_runs(
        dg.RunsFilter(job_name="nightly_summary_job", tags={"dagster/partition": date}), ascending=True
    )
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    return [
        {
            record.event_log_entry.dagster_event.asset_key.to_user_string()
            for record in instance.get_records_for_run(run.run_id, of_type=kind).records
        }
        for run in runs
    ]


# --- run again


def test_each_is_told_by_where_it_was_bad_again(report: dict[str, Any]) -> None:
    (stage,) = report["stages"]
    assert {one["test"]: one["verdict"] for one in stage["failures"]} == {
        BROKEN: "new",  # on the same image, and not on last night's
        UNSTEADY: "flaky",  # not even on the same image
        OUTSIDE: "environment",  # on both
    }


def test_each_is_an_incident_of_its_own(report: dict[str, Any]) -> None:
    told = {(one["verdict"], *(test["node_id"] for test in one["tests"])) for one in report["incidents"]}
    assert told == {("new", BROKEN), ("flaky", UNSTEADY), ("environment", OUTSIDE)}


def test_nothing_became_greener_by_being_explained(report: dict[str, Any]) -> None:
    (stage,) = report["stages"]
    assert (report["status"], stage["status"], stage["counts"]["failed"]) == ("red", "failed", 3)


def test_all_ran_again_on_the_same_image_and_the_bad_ones_on_last_nights(
    confirmed: dict[str, Any], last_night: dict[str, Any]
) -> None:
    assert confirmed["again"] == {BROKEN: "failed", UNSTEADY: "passed", OUTSIDE: "failed"}
    assert confirmed["previous"] == {BROKEN: "passed", OUTSIDE: "failed"}
    assert confirmed["previous_digest"] == last_night["stages"][0]["image_digest"]
    assert confirmed["problems"] == []


def test_log_and_evidence_of_the_reruns_are_kept(
    night: SmallNight, report: dict[str, Any], confirmed: dict[str, Any]
) -> None:
    assert confirmed["artifacts"].keys() == {
        f"{source}_{name}" for source in ("confirmation", "previous_image") for name in ("evidence", "log")
    }
    assert "2 failed, 1 passed" in (folder(night, report) / "same_image" / "container.log").read_text()
    assert "1 failed, 1 passed" in (folder(night, report) / "previous_image" / "container.log").read_text()
    for key in confirmed["artifacts"].values():
        assert (night.home / "artifacts" / key).stat().st_size > 0


def test_a_green_night_repeats_nothing_and_a_red_one_before_its_summary(
    night: SmallNight, report: dict[str, Any]
) -> None:
    assert summaries(night, days_ago(1)) == [{"nightly_summary"}]
    assert summaries(night, report["date"]) == [{"confirmed_failures", "nightly_summary"}]


# --- which commit


def test_the_search_stops_at_its_limit_and_goes_on_where_it_was(
    stopped: dict[str, Any], found: dict[str, Any]
) -> None:
    assert (stopped["state"], stopped["message"], len(stopped["culprits"])) == ("stopped", "1 image built", 2)
    assert "The same command goes on" in stopped["next_step"]
    assert found["looks"][: len(stopped["looks"])] == stopped["looks"]


def test_the_search_names_the_commit_its_author_and_the_line_of_the_log(
    nights: Nights, found: dict[str, Any]
) -> None:
    (culprit,) = found["culprits"]
    assert found["state"] == "found"
    assert (culprit["revision"], culprit["subject"]) == (nights.commits[3], "Move the answer")
    assert culprit["author"] == "Test"
    assert any(
        "the answer moved" in look["line"] for look in found["looks"] if look["name"] == culprit["revision"]
    )


def test_the_ends_were_asked_without_building_and_two_commits_were_built(found: dict[str, Any]) -> None:
    assert [(look["name"], look["finding"]) for look in found["looks"] if not look["built"]] == [
        (days_ago(0), "bad"),
        (days_ago(1), "good"),
    ]
    assert sum(look["built"] for look in found["looks"]) == 2


def test_no_tag_that_people_use_was_moved_by_the_search(
    night: SmallNight, report: dict[str, Any], found: dict[str, Any]
) -> None:
    assert tagged(night) == runtime_digests(report)


def test_the_same_command_looks_at_nothing_again(night: SmallNight, found: dict[str, Any]) -> None:
    again = json.loads(night.nightly("bisect", BROKEN, "--format", "json"))
    assert again["looks"] == found["looks"]
    assert "Move the answer" in night.nightly("bisect", "test_answer")


def test_the_nights_own_results_are_untouched(
    night: SmallNight, report: dict[str, Any], found: dict[str, Any]
) -> None:
    after = night.report()
    assert (after["run_id"], after["status"]) == (report["run_id"], report["status"])
    assert after["stages"] == report["stages"]


def test_a_good_night_whose_image_is_gone_is_built_from_its_commit(
    nights: Nights, found: dict[str, Any]
) -> None:
    night = nights.small
    (digest,) = {look["digest"] for look in found["looks"] if look["name"] == days_ago(1)}
    httpx.delete(
        f"http://{ECR}/v2/{night.repository}/manifests/{digest}", trust_env=False, timeout=120
    ).raise_for_status()
    again = json.loads(night.nightly("bisect", BROKEN, "--restart", "--format", "json"))
    assert [one["revision"] for one in again["culprits"]] == [nights.commits[3]]
    (end,) = [look for look in again["looks"] if look["name"] == days_ago(1)]
    assert (end["finding"], end["built"]) == ("good", True)


# --- a night repeated


def test_a_run_is_repeated_on_its_own_commit_and_moves_no_tag_of_a_newer_night(
    nights: Nights, report: dict[str, Any], last_night: dict[str, Any], found: dict[str, Any]
) -> None:
    licence(nights.small, "valid")
    nights.small.nightly("rerun", last_night["run_id"][:8])
    again = nights.small.report("--date", days_ago(1))
    assert again["run_id"] != last_night["run_id"]
    assert again["source_revision"] == last_night["source_revision"] == nights.commits[0]
    assert again["status"] == "green"
    assert tagged(nights.small) == runtime_digests(report)
