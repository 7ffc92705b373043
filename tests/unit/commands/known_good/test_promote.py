"""`nightly promote`, against two registries over HTTP; and what no verb of known-good images understands."""

from __future__ import annotations

import json

import pytest

from tests.factories import DATE, stage
from tests.unit.commands.known_good.registries import ARCHITECTURES, INDEX, annotations, tags


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
