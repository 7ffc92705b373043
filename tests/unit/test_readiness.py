"""What doctor says of what is kept."""

from __future__ import annotations

import pytest

from nightly_pipeline.readiness import storage_checks
from nightly_pipeline.settings import load_settings
from nightly_pipeline.steps.doctor import Finding, Readiness, doctor
from nightly_pipeline.stores import open_history
from tests.history_rows import night


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTLY_HOME", str(tmp_path))
    return load_settings("local")


def found(settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in doctor(storage_checks(settings), deadline_s=300)}


def test_a_history_says_how_far_it_goes(settings):
    assert found(settings)["history"].detail == "0 nights on record"
    open_history(settings).write(night(), [], [])
    assert found(settings)["history"].detail == "1 nights on record"


def test_a_damaged_history_is_a_warning_that_names_the_files(settings):
    for number in range(5):
        open_history(settings).write(night(run_id=str(number)), [], [])
    for path in settings.history_root.rglob("*.parquet"):
        path.write_bytes(b"")
    finding = found(settings)["history"]
    assert finding.status is Readiness.WARNING
    assert "5 files are left out" in finding.detail
    assert "2 more" in finding.detail


def test_a_bucket_that_cannot_be_used_is_missing(settings, monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    where = {"kind": "s3", "bucket": "team", "endpoint": "http://127.0.0.1:9", "region": "us-east-1"}
    section = type(settings.artifacts).model_validate(where)
    finding = found(settings.model_copy(update={"artifacts": section}))["artifacts"]
    assert finding.status is Readiness.MISSING
    assert "s3://team/" in finding.detail
