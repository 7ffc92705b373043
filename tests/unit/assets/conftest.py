"""What tests of the graph ask for: records of runs that are gone with the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest

from nightly_pipeline.assets import following, freshness
from nightly_pipeline.assets import message_sensor as sensor
from nightly_pipeline.tools.slack_transport import BRISK


@pytest.fixture(autouse=True)
def _slack_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own Slack is as slow as the machine is busy."""
    for module in (following, freshness, sensor):
        monkeypatch.setattr(module, "BRISK", replace(BRISK, timeout_s=300))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as records:
        yield records
