"""A commit breaks one test and makes another one unsteady, on a night on which a third is bad for what is around it:
all are run again, and told apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.e2e.conftest import SmallNight, git, make_night

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow]

LAST_NIGHT = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
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


def commit(night: SmallNight, *, answer: str, most: int) -> str:
    (night.source / "docker" / "suite" / "unit" / "test_put_in.py").write_text(
        SUITE_FILE.format(answer=answer, most=most)
    )
    git(night.source, "add", "-A")
    git(night.source, "commit", "-q", "-m", f"The answer is {answer}")
    return git(night.source, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def night(place: Path) -> SmallNight:
    """A good night, and a bad one."""
    small = make_night(place, ("vllm",), ONE_STAGE)
    good = commit(small, answer="42", most=10_000)
    small.nightly("run", "--date", LAST_NIGHT, "--revision", good)
    commit(small, answer="41", most=5)
    small.profile.write_text(small.profile.read_text().replace("LICENCE: valid", "LICENCE: over"))
    small.nightly("run", expect=1)
    return small


@pytest.fixture(scope="module")
def confirmed(night: SmallNight, report: dict[str, Any]) -> dict[str, Any]:
    """What was written down of the reruns."""
    return json.loads((folder(night, report) / "confirmation.json").read_text())


def folder(night: SmallNight, report: dict[str, Any]) -> Path:
    cell = Path(report["date"], report["run_id"], "vllm", "amd64", "unit", "confirmation")
    return night.home / "artifacts" / cell


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
    night: SmallNight, confirmed: dict[str, Any]
) -> None:
    assert confirmed["again"] == {BROKEN: "failed", UNSTEADY: "passed", OUTSIDE: "failed"}
    assert confirmed["previous"] == {BROKEN: "passed", OUTSIDE: "failed"}
    last_night = night.report("--date", LAST_NIGHT)
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
    assert summaries(night, LAST_NIGHT) == [{"nightly_summary"}]
    assert summaries(night, report["date"]) == [{"confirmed_failures", "nightly_summary"}]
