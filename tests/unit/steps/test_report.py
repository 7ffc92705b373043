"""Gathering a night's report from its records, and keeping it beside them."""

from __future__ import annotations

import pytest

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.outcomes import ImageStatus, NightStatus, StageStatus
from nightly_pipeline.model.report import Report, key_of
from nightly_pipeline.steps.records import OUTCOME_FILE, NightRecords
from nightly_pipeline.steps.report import REPORT_JSON, REPORT_MARKDOWN, gather_report, keep_documents
from tests.factories import DATE, image, plan, publication, run_facts, stage
from tests.fakes.source import revision

PLAN = plan(frameworks=["vllm"], architectures=["amd64"], stages=["unit"])
KEYS = tuple(entry.key for entry in PLAN.entries)
GOOD = [image(kind="framework"), image(), publication(), publication(arch=None), stage()]


def run(run_id: str = "run-1", state: str = "succeeded", **fields):
    return run_facts(state, run_id=run_id, **({"planned": KEYS, "started": KEYS} | fields))


def write(records: NightRecords, *outcomes, run_id: str = "run-1") -> None:
    for outcome in outcomes:
        records.write_outcome(outcome.model_copy(update={"run_id": run_id}))


def damage(records: NightRecords, outcome, run_id: str = "run-1") -> None:
    folder = records.folder(DATE, run_id, key_of(outcome))
    records.store.kept[f"{folder}/{OUTCOME_FILE}"] = records.store.kept[f"{folder}/{OUTCOME_FILE}"][:40]


def test_a_night_that_is_all_good_is_green(records):
    write(records, *GOOD)
    records.write_revision(DATE, "run-1", revision(dirty=True))

    report = gather_report(DATE, PLAN, [run()], records)

    assert (report.status, report.run_id) == (NightStatus.GREEN, "run-1")
    assert report.source_revision == revision(dirty=True).label


def test_outcomes_of_runs_that_are_not_asked_for_are_left_out(records):
    write(records, *GOOD)
    write(records, stage(status="failed"), run_id="run-2")

    assert gather_report(DATE, PLAN, [run()], records).status is NightStatus.GREEN
    assert (
        gather_report(DATE, PLAN, [run(), run("run-2", planned=[key_of(stage())])], records).status == "red"
    )


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "running"])
@pytest.mark.parametrize("outcome", GOOD, ids=lambda outcome: "/".join(key_of(outcome)))
def test_a_damaged_outcome_is_never_good_however_the_run_ended(records, outcome, state):
    write(records, *GOOD)
    damage(records, outcome)

    assert gather_report(DATE, PLAN, [run(state=state)], records).status is not NightStatus.GREEN


def test_a_damaged_outcome_of_a_rerun_is_not_hidden_by_the_good_one_before(records):
    write(records, *GOOD)
    write(records, stage(), run_id="run-2")
    damage(records, stage(), run_id="run-2")
    rerun = run("run-2", planned=[key_of(stage())], started=[key_of(stage())])

    [unit] = gather_report(DATE, PLAN, [run(), rerun], records).stages

    assert (unit.status, unit.run_id) == (StageStatus.INFRA_ERROR, "run-2")


@pytest.mark.parametrize("runs", [[], [run(planned=())]])
def test_a_night_without_a_run_has_no_report(records, runs):
    with pytest.raises(RecordError, match=f"no run is on record for the night of {DATE}") as refused:
        gather_report(DATE, PLAN, runs, records)

    assert refused.value.next_step == f"Start one: nightly run --date {DATE}"


def test_the_revision_is_that_of_the_newest_run_that_has_one(records):
    for run_id in ("run-1", "run-2"):
        records.write_revision(DATE, run_id, revision(run_id))
    runs = [run(), run("run-2"), run("run-3")]

    assert gather_report(DATE, PLAN, runs, records).source_revision == revision("run-2").commit


def test_a_damaged_revision_does_not_take_the_report_along(records):
    records.write_revision(DATE, "run-1", revision())
    records.store.write(f"{DATE}/run-2/source.json", b"{")

    assert gather_report(DATE, PLAN, [run(), run("run-2")], records).source_revision == revision().commit
    assert gather_report(DATE, PLAN, [run("run-2")], records).source_revision is None


def test_why_there_was_no_commit_is_what_the_report_says(records):
    records.write_source_problem(DATE, "run-1", "no branch `mian`")
    report = gather_report(DATE, PLAN, [run(state="failed", started=())], records)

    assert report.status is NightStatus.INCOMPLETE
    assert {outcome.status for outcome in report.images} == {ImageStatus.NOT_RUN}
    assert "no branch `mian`" in report.images[0].message


def test_documents_are_kept_beside_the_run_and_found_again(records):
    write(records, *GOOD)
    report = gather_report(DATE, PLAN, [run()], records)

    kept = keep_documents(
        report, {REPORT_JSON: report.model_dump_json(), REPORT_MARKDOWN: "# Übersicht"}, records
    )

    assert kept == {name: f"memory:{DATE}/run-1/{name}" for name in (REPORT_JSON, REPORT_MARKDOWN)}
    assert Report.model_validate_json(records.store.text(f"{DATE}/run-1/{REPORT_JSON}")) == report
    assert records.store.text(f"{DATE}/run-1/{REPORT_MARKDOWN}") == "# Übersicht"


def test_a_report_that_is_made_again_takes_the_place_of_the_one_before(records):
    write(records, *GOOD)
    report = gather_report(DATE, PLAN, [run()], records)

    keep_documents(report, {REPORT_MARKDOWN: "old"}, records)
    keep_documents(report, {REPORT_MARKDOWN: "new"}, records)

    assert records.store.text(f"{DATE}/run-1/{REPORT_MARKDOWN}") == "new"
    assert gather_report(DATE, PLAN, [run()], records) == report
