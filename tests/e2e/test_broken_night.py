"""A broken Dockerfile and a failing test: red in the right two places, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightly_pipeline.model.evidence_records import BAD_OUTCOMES
from nightly_pipeline.tools.junit import THE_RUN, read_junit
from tests.e2e.conftest import A_TEST_S, SmallNight, git, make_night, manifest
from tests.registries import ECR

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(A_TEST_S)]

FAILING_TEST = '''
"""Put in to fail."""

import pytest


@pytest.mark.vllm
@pytest.mark.unit
@pytest.mark.gpu_0
@pytest.mark.nightly
def test_that_fails():
    assert 1 == 2, "broken on purpose"
'''
AMD64_ONLY = {"architectures": {"arm64": None}, "frameworks": {"vllm": {"overrides": None}}}


@pytest.fixture(scope="module")
def night(place: Path) -> SmallNight:
    small = make_night(place, ("vllm", "sglang"), AMD64_ONLY)
    dockerfile = small.source / "docker" / "sglang" / "Dockerfile"
    dockerfile.write_text(
        dockerfile.read_text().replace("AS framework\n", "AS framework\nCOPY absent.txt /absent.txt\n")
    )
    (small.source / "docker" / "suite" / "unit").mkdir(exist_ok=True)
    (small.source / "docker" / "suite" / "unit" / "test_broken_on_purpose.py").write_text(FAILING_TEST)
    git(small.source, "add", "-A")
    git(small.source, "commit", "-q", "-m", "Break two things")
    small.nightly("run", expect=1)
    return small


def test_the_broken_image_failed_and_what_waits_for_it_never_ran(report: dict) -> None:
    images = {(row["framework"], row["kind"]): row for row in report["images"]}
    assert images["sglang", "framework"]["status"] == "failed"
    assert "absent.txt" in images["sglang", "framework"]["message"]
    assert images["sglang", "runtime"]["status"] == "not_run"
    assert images["vllm", "framework"]["status"] == "built"
    assert images["vllm", "runtime"]["status"] == "built"
    assert images["sglang", "framework"]["artifacts"]["metrics"]


def test_the_failing_test_is_named_and_the_other_stages_passed(report: dict) -> None:
    stages = {(row["framework"], row["stage"]): row for row in report["stages"]}
    unit = stages.pop(("vllm", "unit"))
    assert unit["status"] == "failed"
    assert unit["counts"]["failed"] == 1
    assert unit["counts"]["passed"] > 0
    (failure,) = unit["failures"]
    assert failure["test"].endswith("test_broken_on_purpose.py::test_that_fails")
    assert "broken on purpose" in failure["message"]
    # The first night of all: since when it is bad, nobody can know.
    assert (failure["verdict"], failure["since"]) == ("unknown", report["date"])
    assert failure["incident"] in {incident["id"] for incident in report["incidents"]}
    others = {key: row["status"] for key, row in stages.items()}
    assert {status for (framework, _), status in others.items() if framework == "vllm"} == {"passed"}
    assert {status for (framework, _), status in others.items() if framework == "sglang"} == {"blocked"}


def test_the_nights_junit_names_the_failing_test_and_every_stage_that_never_ran(
    night: SmallNight, report: dict
) -> None:
    assert set(report["artifacts"]) == {"junit", "junit-vllm", "junit-sglang"}
    merged = read_junit(night.home / "artifacts" / report["artifacts"]["junit"])
    bad = {(case.suite, case.name) for case in merged.cases if case.outcome in BAD_OUTCOMES}
    blocked = [row for row in report["stages"] if row["status"] == "blocked"]
    assert bad == {
        ("vllm.amd64.unit", "test_that_fails"),
        *((f"sglang.{row['arch']}.{row['stage']}", THE_RUN) for row in blocked),
    }
    assert len(merged.cases) > len(bad)


def test_the_night_is_red_and_the_broken_cell_left_no_tag(night: SmallNight, report: dict) -> None:
    assert report["status"] == "red"
    assert manifest(ECR, night.repository, "nightly-sglang-amd64") is None
    assert manifest(ECR, night.repository, "main-sglang-framework-amd64") is None
    assert manifest(ECR, night.repository, "nightly-vllm-amd64") is not None


def test_only_what_was_not_good_is_repeated_and_on_the_same_commit(night: SmallNight) -> None:
    before = night.report()
    night.nightly("rerun", before["run_id"], "--failed", expect=1)
    repeated = night.report("--run", night.report()["run_id"])
    assert repeated["partial"]
    assert {(row["framework"], row["stage"]) for row in repeated["stages"]} >= {("vllm", "unit")}
    assert ("vllm", "integration") not in {(row["framework"], row["stage"]) for row in repeated["stages"]}
    assert {row["framework"] for row in repeated["images"]} == {"sglang"}
    assert repeated["source_revision"] == before["source_revision"]
    # The stage was repeated on the image that was good, by digest.
    stage = next(row for row in repeated["stages"] if row["stage"] == "unit" and row["framework"] == "vllm")
    image = next(row for row in before["images"] if row["framework"] == "vllm" and row["kind"] == "runtime")
    assert stage["image_digest"] == image["digest"]
