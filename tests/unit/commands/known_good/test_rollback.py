"""`nightly rollback`, against two registries over HTTP."""

from __future__ import annotations

from nightly_pipeline import nights_on_record
from tests.factories import stage
from tests.unit.commands.known_good.registries import INDEX, OLDER, annotations, tags


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
