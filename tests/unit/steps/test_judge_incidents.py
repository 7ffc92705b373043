"""What a night's failures have in common: errors of the environment, stages, images, owners."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.history import EntryRow
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.owners import parse_owners
from nightly_pipeline.steps.judge import Rules, judge
from tests.factories import image, night, publication, run_facts, stage
from tests.fakes.history import MemoryHistory
from tests.unit.model.pasts import day, row
from tests.unit.steps.judging import named, night_row, past, report, verdicts


def test_one_error_on_last_nights_image_speaks_for_the_tests_that_were_not_repeated():
    history = past({f"a.py::t{at}": ".F" for at in range(4)})
    checked = row("F", 1, test=named("a.py::t0"), source="previous_image", image_digest="sha256:0")
    history.add([checked], date=day(1), run_id="run-1", part="confirmation")
    judgement = judge(report(1), history, Rules())
    assert set(verdicts(judgement).values()) == {"environment"}
    assert judgement.incidents[0].verdict is Verdict.ENVIRONMENT


def test_one_test_that_is_good_on_last_nights_image_clears_the_environment():
    history = past({f"a.py::t{at}": ".F" for at in range(3)})
    fields = {"source": "previous_image", "image_digest": "sha256:0"}
    checked = [row(sign, 1, test=named(f"a.py::t{at}"), **fields) for at, sign in enumerate("F.")]
    history.add(checked, date=day(1), run_id="run-1", part="confirmation")
    assert verdicts(judge(report(1), history, Rules()))["a.py::t2"] == "new"


def test_owners_are_asked_about_tests_and_incidents():
    owners = parse_owners("/suite/a.py @a\n/suite/b.py @b\n", file="f", suite="suite")
    judgement = judge(
        report(1), past({"a.py::a": ".F", "b.py::b": ".F", "b.py::c": ".F"}), Rules(owners=owners)
    )
    assert judgement.incidents[0].owners == ("@b", "@a")
    assert judgement.verdicts[0].owners == ("@a",)


def test_a_stage_that_ended_badly_without_a_failed_test_is_an_incident():
    gone = {"status": "infra_error", "message": "the runner at 10.0.0.7:2376 did not answer within 30 s"}
    stages = [
        stage("vllm", **gone),
        stage("sglang", **{**gone, "message": gone["message"].replace("7:", "9:")}),
    ]
    history = past({"a.py::a": "..."})
    old = EntryRow(
        date=day(1),
        run_id="run-1",
        framework="vllm",
        arch="amd64",
        name="unit",
        status="infra_error",
        good=False,
    )
    history.write(night_row(1), [old], [])
    (incident,) = judge(report(2, *stages), history, Rules()).incidents
    assert (incident.tests, len(incident.cells)) == ((), 2)
    assert (incident.verdict, incident.since, incident.nights) == (Verdict.ENVIRONMENT, day(1), 2)


@pytest.mark.parametrize(
    ("before", "verdict", "since"),
    [
        (("built", "built"), Verdict.NEW, 2),
        (("built", "failed"), Verdict.RECURRING, 1),
        (("failed", "failed"), Verdict.RECURRING, 0),
        ((), Verdict.UNKNOWN, 2),
    ],
)
def test_an_image_that_cannot_be_built_is_an_incident_that_knows_since_when(before, verdict, since):
    history = past({"a.py::a": "..."})
    for number, status in enumerate(before):
        built = {
            "run_id": f"run-{number}",
            "name": "runtime_image",
            "status": status,
            "good": status == "built",
        }
        row_of_it = EntryRow(
            date=day(number), framework="vllm", arch="arm64", source_revision=f"commit-{number}", **built
        )
        history.write(night_row(number), [row_of_it], [])
    message = "[runtime 4/9] RUN uv pip install vllm: No matching distribution found"
    broken = image(arch="arm64", status="failed", message=message, date=day(2))
    tonight = night(images=(broken,), date=day(2), runs=(run_facts(run_id="run-2", date=day(2)),))
    (incident,) = judge(tonight, history, Rules()).incidents
    assert (incident.tests, incident.cells) == ((), (("vllm", "arm64"),))
    assert (incident.verdict, incident.since, incident.nights) == (verdict, day(since), 3 - since)
    good = [number for number, status in enumerate(before) if status == "built"]
    assert incident.last_good == (day(good[-1]) if good else None)
    assert incident.last_good_revision == (f"commit-{good[-1]}" if good else None)
    assert incident.first_bad_revision == (tonight.source_revision if since == 2 else f"commit-{since}")


def test_the_owners_of_a_dockerfile_are_asked_about_its_images_alone():
    owners = parse_owners(
        "/docker/ @images\n/docker/vllm/ @kv\n/docker/suite/ @tests\n", file="f", suite="docker/suite"
    )
    rules = Rules(
        owners=owners, dockerfiles={"vllm": "docker/vllm/Dockerfile", "sglang": "docker/x/Dockerfile"}
    )
    broken = image("vllm", status="failed", message="exit code 1", date=day(0))
    other = image("sglang", status="failed", message="no space left", date=day(0))
    unknown = image("trtllm", status="failed", message="no such file", date=day(0))
    gone = stage("vllm", status="infra_error", message="no GPU", date=day(0))
    tonight = night(images=(broken, other, unknown), stages=(gone,), date=day(0))
    asked = {one.message: one.owners for one in judge(tonight, MemoryHistory(), rules).incidents}
    assert asked == {"exit code 1": ("@kv",), "no space left": ("@images",), "no such file": (), "no GPU": ()}


def test_a_multi_arch_index_of_no_cell_is_no_incident():
    index = publication(arch=None, status="failed", message="a platform is missing", date=day(2))
    tonight = night(publications=(index,), date=day(2), runs=(run_facts(run_id="run-2", date=day(2)),))
    assert judge(tonight, past({"a.py::a": "..."}), Rules()).incidents == ()


@pytest.mark.parametrize("status", ["blocked", "cancelled", "not_run", "passed"])
def test_a_stage_that_is_not_to_blame_is_no_incident(status):
    judgement = judge(
        report(1, stage(status=status, message="its image is not there")), past({"a.py::a": ".."}), Rules()
    )
    assert judgement.incidents == ()
