"""What tests of known-good images ask for: two registries over HTTP, and nights whose images are there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from nightly_pipeline import nights_on_record
from tests.factories import DATE, RUN_ID, STAGES, image, publication, stage, whole_night
from tests.fakes.registry import FakeRegistry
from tests.unit.commands.known_good.registries import ARCHITECTURES, INDEX, OLDER, OLDER_RUN, tags


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
def nightly(nightly, profile: Path):
    """`nightly` in that profile, on a terminal that is wide enough for digests."""
    return partial(nightly, NIGHTLY_PROFILE=str(profile), COLUMNS="160")


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
