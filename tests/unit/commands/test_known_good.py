"""`nightly promote`, `rollback`, `images` and `prune --images`, against two registries over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nightly_pipeline import nights_on_record
from nightly_pipeline.cli import main
from tests.factories import DATE, RUN_ID, STAGES, image, publication, stage, whole_night
from tests.fakes.registry import FakeRegistry, Fault

ARCHITECTURES = ("amd64", "arm64")
OLDER = "2026-11-19"
OLDER_RUN = "77aa00c2-0000-4000-8000-000000000000"
INDEX = "known-good-vllm"


@pytest.fixture
def ecr():
    with FakeRegistry().running() as server:
        yield server


@pytest.fixture
def acr():
    with FakeRegistry().running() as server:
        yield server


@pytest.fixture
def profile(tmp_path: Path, ecr, acr) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(
        "extends: local\n"
        "registries:\n"
        f"  ecr: {{host: '{ecr.host}'}}\n"
        f"  acr: {{host: '{acr.host}'}}\n"
        "table: {frameworks: {sglang: null, trtllm: null}}\n"
    )
    return path


@pytest.fixture
def nightly(tmp_path: Path, profile: Path):
    def call(*arguments: str) -> Result:
        environment = {
            "NIGHTLY_HOME": str(tmp_path / "home"),
            "NIGHTLY_PROFILE": str(profile),
            "COLUMNS": "160",
        }
        return CliRunner().invoke(main, arguments, env=environment, prog_name="nightly")

    return call


@pytest.fixture
def on_record(monkeypatch, ecr, acr):
    """Put nights on record whose images are in both registries; what Dagster knows is not asked."""
    reports = {}

    def put(*changed, date: str = DATE, run_id: str = RUN_ID):
        outcomes = []
        for arch in ARCHITECTURES:
            for server in (ecr, acr):
                name = server.add_image(
                    "nightly",
                    f"nightly-vllm-{arch}",
                    f"nightly-vllm-{arch}-run-{run_id[:8]}",
                    layers=[f"{date} {arch}".encode()],
                    architecture=arch,
                )
            published = publication("vllm", arch, date=date, run_id=run_id, digest=name)
            copies = tuple(copy.model_copy(update={"digest": name}) for copy in published.copies)
            outcomes += [
                image("vllm", arch, digest=name, date=date, run_id=run_id),
                published.model_copy(update={"copies": copies}),
                *(stage("vllm", arch, one, image_digest=name, date=date) for one in STAGES),
            ]
        outcomes += [publication("vllm", None, date=date, run_id=run_id)]
        reports[date] = whole_night(*outcomes, *changed, frameworks=["vllm"], date=date)
        return reports[date]

    monkeypatch.setattr(nights_on_record, "read_report", lambda _, **asked: reports[asked["night"] or DATE])
    return put


def tags(server: FakeRegistry) -> dict[str, str]:
    named = server.repository("nightly").tags
    return {tag: digest for tag, digest in named.items() if tag.startswith("known-good")}


def annotations(server: FakeRegistry) -> dict[str, str]:
    repository = server.repository("nightly")
    return json.loads(repository.manifests[repository.tags[INDEX]][0])["annotations"]


# --- promote


def test_without_yes_it_is_shown_and_nothing_moves(nightly, on_record, ecr, acr, tmp_path) -> None:
    on_record()
    answer = nightly("promote", "--date", DATE, "--reason", "ready")

    assert answer.exit_code == 0, answer.output
    assert "known-good-vllm-arm64" in answer.stdout
    assert "Nothing was moved; do it with --yes." in answer.stdout
    assert tags(ecr) == tags(acr) == {}
    assert not (tmp_path / "home" / "artifacts" / "promotions").exists()


def test_with_yes_both_registries_have_it_with_the_reason(nightly, on_record, ecr, acr, tmp_path) -> None:
    report = on_record()
    answer = nightly("promote", "--date", DATE, "--reason", "ready for the fleet", "--yes")

    assert answer.exit_code == 0, answer.output
    assert tags(ecr) == tags(acr)
    digests = {one.arch: one.digest for one in report.images if one.kind == "runtime"}
    assert {arch: tags(acr)[f"{INDEX}-{arch}"] for arch in ARCHITECTURES} == digests
    said = annotations(acr)
    assert (said["io.nightly.date"], said["io.nightly.reason"]) == (DATE, "ready for the fleet")
    [record] = (tmp_path / "home" / "artifacts" / "promotions" / "vllm").iterdir()
    document = json.loads(record.read_text())
    assert document["reason"] == "ready for the fleet"
    assert document["automatic"] is False
    assert "@" in document["who"]


def test_again_there_is_nothing_to_do(nightly, on_record) -> None:
    on_record()
    nightly("promote", "--date", DATE, "--reason", "ready", "--yes")

    assert "Every tag is where it should be." in nightly("promote", "--date", DATE, "--reason", "x").stdout


def test_as_json_for_programs(nightly, on_record) -> None:
    on_record()
    document = json.loads(nightly("promote", "--date", DATE, "--reason", "ready", "--format", "json").stdout)

    assert document["dry_run"] is True
    [promotion] = document["promotions"]
    assert (promotion["framework"], promotion["date"], promotion["reason"]) == ("vllm", DATE, "ready")
    assert len(promotion["tags"]) == 8


def test_a_night_that_was_not_good_is_refused_unless_somebody_insists(nightly, on_record, ecr) -> None:
    on_record(stage("vllm", "amd64", "unit", "failed"))
    refused = nightly("promote", "--date", DATE, "--reason", "hotfix", "--yes")

    assert refused.exit_code == 1
    assert "amd64/unit: failed" in refused.stderr
    assert "--force" in refused.stderr
    assert tags(ecr) == {}
    forced = nightly("promote", "--date", DATE, "--reason", "hotfix", "--force", "--yes")
    assert forced.exit_code == 0, forced.output
    assert "in spite of amd64/unit: failed" in forced.stdout
    assert INDEX in tags(ecr)


def test_a_mock_is_refused_in_a_profile_that_does_not_allow_it_whatever_the_reason(
    nightly, on_record, profile, ecr
) -> None:
    on_record()
    profile.write_text(profile.read_text() + "promotion: {allow_mock: false}\n")
    refused = nightly("promote", "--date", DATE, "--reason", "please", "--force", "--yes")

    assert refused.exit_code == 1
    assert "mock engine is never promoted" in refused.stderr
    assert tags(ecr) == {}


def test_an_image_that_a_registry_lost_is_refused_before_anything_moves(nightly, on_record, ecr, acr) -> None:
    report = on_record()
    acr.repository("nightly").manifests.pop(report.publications[0].digest)
    refused = nightly("promote", "--date", DATE, "--reason", "ready", "--yes")

    assert refused.exit_code == 7
    assert "not there any more" in refused.stderr
    assert tags(ecr) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("promote", "--date", DATE), "--reason"),
        (("promote", "--reason", " "), "needs a reason"),
        (("promote", "--date", DATE, "--run", "x", "--reason", "y"), "exclude each other"),
        (("promote", "--framework", "vlm", "--reason", "y"), "perhaps you meant 'vllm'"),
        (("rollback", "yesterdy", "--reason", "y"), "is no date"),
        (("rollback", "--reason", "y"), "DATE"),
        (("images", "show", "vllm", "amd46"), "perhaps you meant 'amd64'"),
        (("images", "show", "elsewhere.example/nightly:x"), "in no registry of this profile"),
        (("images", "show", "a", "b", "c"), "REFERENCE"),
        (("prune", "--format", "json"), "--images"),
    ],
)
def test_bad_input_exits_with_2_and_says_what_is_wrong(nightly, arguments, words) -> None:
    answer = nightly(*arguments)

    assert answer.exit_code == 2
    assert words in answer.stderr


# --- rollback


@pytest.fixture
def promoted(nightly, on_record, ecr) -> dict[str, str]:
    """Two promoted nights; what known-good was after the first."""
    on_record(date=OLDER, run_id=OLDER_RUN)
    assert nightly("promote", "--date", OLDER, "--reason", "first", "--yes").exit_code == 0
    before = tags(ecr)
    on_record()
    assert nightly("promote", "--date", DATE, "--reason", "second", "--yes").exit_code == 0
    assert tags(ecr)[INDEX] != before[INDEX]
    return before


def test_rolling_back_brings_the_very_digests_back_without_asking_for_the_nights_artifacts(
    nightly, promoted, ecr, acr, monkeypatch
) -> None:
    monkeypatch.setattr(nights_on_record, "read_report", None)
    shown = nightly("rollback", OLDER, "--reason", "it leaks")
    assert "Nothing was moved" in shown.stdout
    answer = nightly("rollback", OLDER, "--reason", "it leaks", "--yes")

    assert answer.exit_code == 0, answer.output
    for server in (ecr, acr):
        assert {tag: tags(server)[tag] for tag in promoted} == promoted
    assert annotations(ecr)["io.nightly.date"] == OLDER


def test_rolling_back_to_a_night_that_never_was_promoted_needs_a_good_one(
    nightly, promoted, on_record, ecr
) -> None:
    on_record(stage("vllm", "amd64", "unit", "failed"), date="2026-11-18", run_id="66aa00c2-0")
    refused = nightly("rollback", "2026-11-18", "--reason", "it leaks", "--yes")
    assert refused.exit_code == 1
    assert "amd64/unit: failed" in refused.stderr
    on_record(date="2026-11-17", run_id="55aa00c2-0")
    assert nightly("rollback", "2026-11-17", "--reason", "it leaks", "--yes").exit_code == 0
    assert annotations(ecr)["io.nightly.date"] == "2026-11-17"


def test_rolling_back_to_images_that_are_gone_is_refused(nightly, promoted, ecr) -> None:
    before = tags(ecr)
    ecr.repository("nightly").manifests.pop(promoted[f"{INDEX}-arm64"])
    refused = nightly("rollback", OLDER, "--reason", "it leaks", "--yes")

    assert refused.exit_code == 7
    assert tags(ecr) == before


# --- images


def test_images_say_what_known_good_is(nightly, promoted) -> None:
    document = json.loads(nightly("images", "--format", "json").stdout)

    assert [(one["registry"], one["date"], one["reason"]) for one in document["known_good"]] == [
        ("ecr", DATE, "second"),
        ("acr", DATE, "second"),
    ]


def test_a_registry_that_is_down_is_shown_as_such(nightly, promoted, acr) -> None:
    acr.faults.append(Fault(status=403, times=999))
    answer = nightly("images")

    assert answer.exit_code == 0, answer.output
    assert "could not ask" in answer.stdout
    assert "second" in answer.stdout


def test_one_image_is_shown_by_any_of_its_names(nightly, promoted, ecr, acr) -> None:
    digest = tags(ecr)[f"{INDEX}-amd64"]
    for name in (
        f"{INDEX}-amd64",
        digest,
        f"{acr.host}/nightly:{INDEX}-amd64",
        f"{acr.host}/nightly@{digest}",
    ):
        found = json.loads(nightly("images", "show", name, "--format", "json").stdout)
        assert found["digest"] == digest
        assert {role: answer["digest"] for role, answer in found["registries"].items()} == {
            "ecr": digest,
            "acr": digest,
        }
    newest = json.loads(nightly("images", "show", "vllm", "amd64", "--format", "json").stdout)
    assert newest["digest"] == digest


def test_an_image_that_is_not_there_exits_with_7(nightly, promoted) -> None:
    answer = nightly("images", "show", "nightly-none")

    assert answer.exit_code == 7
    assert "is not there" in answer.stderr


def test_a_night_without_a_record_exits_with_8(nightly, promoted) -> None:
    assert nightly("images", "show", "vllm", "amd64", "--date", "2026-11-18").exit_code == 8


# --- prune --images


def index(server: FakeRegistry, run: str, age: int) -> str:
    """An index of a night `age` days ago, under the tag of its run."""
    date = (datetime.now(UTC) - timedelta(days=age)).date().isoformat()
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [],
        "annotations": {"io.nightly.date": date, "run": run},
    }
    return server.add_manifest("nightly", document, f"nightly-vllm-run-{run}")["digest"]


def test_pruning_images_shows_first_and_deletes_when_told_to(nightly, ecr, acr) -> None:
    for server in (ecr, acr):
        index(server, "aaaaaaaa", 40)
        index(server, "bbbbbbbb", 2)
    shown = nightly("prune", "--images")

    assert shown.exit_code == 0, shown.output
    assert "40 days old; 30 are kept" in " ".join(shown.stdout.split())
    assert "Nothing was deleted; delete it with --yes." in shown.stdout
    assert len(ecr.repository("nightly").tags) == 2
    document = json.loads(nightly("prune", "--images", "--yes", "--format", "json").stdout)
    assert document["dry_run"] is False
    for server in (ecr, acr):
        assert set(server.repository("nightly").tags) == {"nightly-vllm-run-bbbbbbbb"}


def test_the_days_can_be_given(nightly, ecr) -> None:
    index(ecr, "aaaaaaaa", 10)

    assert "would go" not in nightly("prune", "--images").stdout.partition("manifest")[0]
    assert nightly("prune", "--images", "--days", "5", "--yes").exit_code == 0
    assert ecr.repository("nightly").tags == {}


def test_what_could_not_be_asked_or_deleted_exits_with_7(nightly, ecr, acr) -> None:
    index(ecr, "aaaaaaaa", 40)
    ecr.deletable = False
    refused = nightly("prune", "--images", "--yes")
    assert refused.exit_code == 7
    assert "not deleted" in refused.stdout
    assert "nightly-vllm-run-aaaaaaaa" in ecr.repository("nightly").tags
    acr.faults.append(Fault(path="/tags/list", status=403))
    refused = nightly("prune", "--images")
    assert refused.exit_code == 7
    assert "all stays" in refused.stdout
