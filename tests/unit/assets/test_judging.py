"""A night is judged by what is there; what is not there is said."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nightly_pipeline.assets.judging import judged
from nightly_pipeline.assets.metadata import summary_metadata
from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.model.links import NO_LINKS
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.stores import open_source
from tests.factories import DATE, RUN_ID, failure, image, stage, whole_night
from tests.fakes.history import MemoryHistory
from tests.fakes.store import MemoryStore
from tests.unit.own_profile import load

BAD = stage(failures=(failure("unit/test_a.py::test_a", "KeyError: '<script>|`x`'"),), status="failed")


def judge_it(tmp_path: Path, text: str = "", records: NightRecords | None = None, **fields):
    night = whole_night(BAD)
    settings = load(tmp_path, text)
    return judged(night, settings, records or NightRecords(MemoryStore()), history=MemoryHistory(**fields))


def test_a_night_without_a_past_is_judged_and_says_so(tmp_path):
    result = judge_it(tmp_path)
    assert result.report.stages[0].failures or any(one.failures for one in result.report.stages)
    assert result.report.judgement.known_nights == 0
    assert [one["verdict"] for one in result.report.incidents] == ["unknown"]
    assert str(result) == "judged by 0 nights before"


def test_a_history_that_cannot_be_read_leaves_the_report_as_it_is(tmp_path):
    result = judge_it(tmp_path, refusal=EnvironmentNotReady("the disk is gone"))
    assert result.report == whole_night(BAD)
    assert str(result) == "not judged: the disk is gone"


def test_a_history_with_gaps_is_said_to_have_them(tmp_path):
    result = judge_it(tmp_path, left_out=["2026-11/x.parquet is damaged"])
    assert "the past is not known whole: 2026-11/x.parquet is damaged" in str(result)


def test_a_quarantine_that_is_not_valid_excuses_nothing(tmp_path):
    (tmp_path / "quarantine.yaml").write_text("- test: unit/*")
    result = judge_it(tmp_path)
    assert "without quarantine" in str(result)
    assert result.report.judgement.verdicts[0].verdict.value == "unknown"


def test_the_quarantine_of_the_project_counts(tmp_path):
    (tmp_path / "quarantine.yaml").write_text(
        "- {test: unit/test_a.py::test_a, owner: '@kv', reason: r, issue: '#1', since: 2026-01-01, expires: 2099-01-01}"
    )
    assert judge_it(tmp_path).report.judgement.verdicts[0].verdict.value == "quarantined"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository under test with an owners' file."""
    root = tmp_path / "source"
    (root / ".github").mkdir(parents=True)
    (root / ".github" / "CODEOWNERS").write_text("/docker/suite/unit/ @core\n")
    git = ["git", "-C", str(root), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for argv in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *argv], check=True)
    return root


def test_owners_are_those_of_the_commit_under_test(tmp_path, repository):
    root = repository
    records = NightRecords(MemoryStore())
    source = open_source(load(tmp_path, f"source: {{repository: '{root}'}}"))
    records.write_revision(DATE, RUN_ID, source.resolve("HEAD", at=None))
    (root / ".github" / "CODEOWNERS").write_text("* @somebody-else\n")
    result = judge_it(tmp_path, f"source: {{repository: '{root}'}}", records)
    assert result.report.judgement.incidents[0].owners == ("@core",)
    missing = judge_it(tmp_path, f"source: {{repository: '{root}'}}\nowners: {{file: OWNERS}}", records)
    assert "without owners: owners.file: there is no 'OWNERS'" in str(missing)


def test_dagster_shows_counts_that_plot_and_the_incidents_as_a_table(tmp_path):
    metadata = summary_metadata(judge_it(tmp_path).report, NO_LINKS)
    assert metadata["tests_unknown"] == 1
    assert metadata["tests_new"] == 0
    assert metadata["incidents"] == 1
    table = metadata["incident_table"].value
    assert "KeyError" in table
    assert "<script>" not in table
    assert "1 test, 1 cell, since tonight" in table


def test_dagster_shows_nothing_of_verdicts_where_a_night_was_not_judged():
    metadata = summary_metadata(whole_night(BAD), NO_LINKS)
    assert not {"incidents", "tests_new"} & metadata.keys()


def test_a_build_without_metrics_has_no_steps(tmp_path):
    result = judged(
        whole_night(image(status="built")),
        load(tmp_path),
        NightRecords(MemoryStore()),
        history=MemoryHistory(),
    )
    assert result.problems == []
    assert result.report.judgement.drifts == ()
