"""`nightly images` and `nightly prune --images`, against two registries over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.factories import DATE
from tests.fakes.registry import FakeRegistry, Fault
from tests.unit.commands.known_good.registries import INDEX, tags


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
