"""A whole small night through ECR and ACR, then one with ACR down, which is healed without building again.

What is claimed is read from the registries' own HTTP API and from Dagster's records.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.e2e.clouds import CloudNight, cloud_night
from tests.e2e.conftest import A_TEST_S
from tests.fakes.ecr_server import repositories

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(A_TEST_S)]

ARCHITECTURES = ("amd64", "arm64")


@pytest.fixture(scope="module")
def clouds(place: Path) -> Iterator[CloudNight]:
    with cloud_night(place) as clouds:
        yield clouds


@pytest.fixture(scope="module")
def night(clouds: CloudNight) -> CloudNight:
    clouds.nightly("run", expect=None)  # what became of it is for the tests to say, each its part
    return clouds


@pytest.fixture(scope="module")
def report(night: CloudNight) -> dict:
    return json.loads(night.nightly("report", "--format", "json"))


@pytest.fixture(scope="module")
def outage(night: CloudNight, report: dict) -> dict:
    """The report of a second run, whose images could not be brought to ACR: nobody answered there."""
    night.acr.is_down = True
    night.nightly("run", "--images-only", expect=1)
    return json.loads(night.nightly("report", "--format", "json"))


@pytest.fixture(scope="module")
def healed(night: CloudNight, outage: dict) -> list[dict]:
    """What `nightly publish` says when ACR is there again."""
    night.acr.is_down = False
    return json.loads(night.nightly("publish", "--date", outage["date"], "--format", "json"))


def publications(report: dict) -> dict[str | None, dict]:
    return {row["arch"]: row for row in report["publications"]}


# --- a good night


def test_the_night_is_green(report: dict) -> None:
    assert report["status"] == "green"
    assert {row["status"] for row in report["publications"]} == {"published"}
    assert len(report["publications"]) == 3


def test_every_published_tag_is_the_same_digest_in_both_clouds(night: CloudNight, report: dict) -> None:
    run = report["run_id"][:8]
    for arch, row in publications(report).items():
        name = f"nightly-vllm-{arch}" if arch else "nightly-vllm"
        for tag in (name, f"{name}-run-{run}"):
            assert night.digests(night.small.repository, tag) == (row["digest"], row["digest"])


def test_a_third_registry_with_a_password_has_them_too(night: CloudNight, report: dict) -> None:
    for arch, row in publications(report).items():
        name = f"nightly-vllm-{arch}" if arch else "nightly-vllm"
        answer = night.acr.read(f"{night.small.repository}-mirror", name)
        assert answer.headers["Docker-Content-Digest"] == row["digest"]


def test_the_index_names_both_platforms_in_both_clouds(night: CloudNight) -> None:
    for cloud in (night.ecr, night.acr):
        children = cloud.read(night.small.repository, "nightly-vllm").json()["manifests"]
        assert {child["platform"]["architecture"] for child in children} >= set(ARCHITECTURES)


def test_framework_images_and_caches_are_in_ecr_alone(night: CloudNight) -> None:
    repository = night.small.repository
    for arch in ARCHITECTURES:
        there, elsewhere = night.digests(repository, f"main-vllm-framework-{arch}")
        assert there is not None
        assert elsewhere is None
        cache = night.ecr.read(f"{repository}-cache", f"vllm-runtime-{arch}").json()
        assert cache["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_repositories_were_made_as_the_profile_says(night: CloudNight) -> None:
    made = repositories()
    images, caches = made[night.small.repository], made[f"{night.small.repository}-cache"]
    assert images.image_tag_mutability == "IMMUTABLE_WITH_EXCLUSION"
    assert caches.image_tag_mutability == "MUTABLE"
    assert images.image_scanning_configuration == {"scanOnPush": True}


def test_dagsters_data_version_is_the_digest(night: CloudNight, report: dict) -> None:
    rows = publications(report)
    with night.small.instance() as instance:
        for arch in ARCHITECTURES:
            for name in ("runtime_image", "published_image"):
                event = instance.get_latest_materialization_event(dg.AssetKey(["vllm", arch, name]))
                assert event is not None
                assert event.asset_materialization is not None
                assert event.asset_materialization.tags["dagster/data_version"] == rows[arch]["digest"]


# --- a night without ACR


def test_without_acr_the_verdict_says_so_and_ecr_is_served(night: CloudNight, outage: dict) -> None:
    rows = publications(outage)
    assert outage["status"] != "green"
    assert {row["status"] for row in outage["images"]} == {"built"}
    for arch in ARCHITECTURES:
        assert rows[arch]["status"] == "infra_error"
        assert f"acr ({night.acr.host})" in rows[arch]["message"]
        run_tag = f"nightly-vllm-{arch}-run-{rows[arch]['run_id'][:8]}"
        assert night.ecr.read(night.small.repository, run_tag).status_code == 200
        assert night.acr.read(night.small.repository, run_tag).status_code == 404
    index_tag = f"nightly-vllm-run-{rows['amd64']['run_id'][:8]}"
    assert night.ecr.read(night.small.repository, index_tag).status_code == 404  # waits for its images


def test_publishing_again_heals_it_without_building(
    night: CloudNight, outage: dict, healed: list[dict]
) -> None:
    before = publications(outage)
    assert [row["status"] for row in healed] == ["published"] * 3
    assert {row["before"] for row in healed} == {row["status"] for row in before.values()}
    run = before["amd64"]["run_id"]
    for row in healed:
        name = f"nightly-vllm-{row['arch']}" if row["arch"] else "nightly-vllm"
        assert row["run_id"] == run
        for tag in (name, f"{name}-run-{run[:8]}"):
            assert night.digests(night.small.repository, tag) == (row["digest"], row["digest"])
    built = {row["arch"]: row["digest"] for row in outage["images"] if row["kind"] == "runtime"}
    assert {row["arch"]: row["digest"] for row in healed if row["arch"]} == built


def test_the_report_and_dagster_say_so_from_then_on(
    night: CloudNight, report: dict, healed: list[dict]
) -> None:
    after = json.loads(night.nightly("report", "--format", "json"))
    assert after["status"] == report["status"]
    assert {row["status"] for row in after["publications"]} == {"published"}
    with night.small.instance() as instance:
        for row in healed:
            key = ["vllm", row["arch"], "published_image"] if row["arch"] else ["vllm", "multi_arch_image"]
            event = instance.get_latest_materialization_event(dg.AssetKey(key))
            assert event is not None
            assert event.asset_materialization is not None
            assert event.asset_materialization.tags["dagster/data_version"] == row["digest"]


def test_a_second_time_there_is_nothing_to_publish(night: CloudNight, healed: list[dict]) -> None:
    uploaded = night.acr.uploaded
    again = json.loads(night.nightly("publish", "--format", "json"))
    assert {row["why_not"] for row in again} == {"published already"}
    assert night.acr.uploaded == uploaded


# --- secrets


def test_no_secret_is_written_down_anywhere(night: CloudNight, healed: list[dict]) -> None:
    """After a good night, an outage, and a refusal: home, logs, Dagster's records, output, images, folders left."""
    night.acr.entra.refusal = "AADSTS7000222: The provided client secret keys are expired."
    refused = night.nightly("run", "--images-only", "--arch", "amd64", "--plain", expect=1)
    assert "AADSTS7000222" in refused
    secrets = night.secrets()
    assert len(secrets) > 6
    written = dict(_written(night))
    assert any(name.endswith("event") or ".db" in name for name in written)
    found = [name for name, content in written.items() if any(secret in content for secret in secrets)]
    assert found == []


def _written(night: CloudNight) -> Iterator[tuple[str, bytes]]:
    yield "output", "".join(night.said).encode()
    folders = (night.small.home, night.temporary)
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        yield str(path), content
        if content.startswith(b"SQLite format 3"):
            yield from ((f"{path}#{table}", row) for table, row in _rows(path))
    for program in (night.ecr.program, night.acr.program):
        for path in program.data.rglob("data"):
            yield str(path), path.read_bytes()


def _rows(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of a database, unpacked: Dagster's snapshots are compressed."""
    with sqlite3.connect(database) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - its own names
                for value in row:
                    content = value if isinstance(value, bytes) else str(value).encode()
                    try:
                        yield table, zlib.decompress(content)
                    except zlib.error:
                        yield table, content
