"""Dagster's instance where NIGHTLY_HOME moves the state: its configuration is there, whole."""

from __future__ import annotations

import os

import pytest

from nightly_pipeline.assets.instance import open_instance
from nightly_pipeline.settings import load_settings


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTLY_HOME", str(tmp_path / "state"))
    for variable in ("DAGSTER_HOME", "NIGHTLY_PROFILE"):  # opening sets them, for the processes it starts
        monkeypatch.setenv(variable, "local")
    monkeypatch.chdir(".")  # and goes to the project, where it stays
    return load_settings("local")


def test_its_folders_move_along_and_a_second_opening_changes_nothing(settings):
    configuration = settings.home / "dagster_home" / "dagster.yaml"
    with open_instance(settings):
        before = configuration.stat()
        assert f"{settings.home}/" in configuration.read_text()
    with open_instance(settings):
        assert os.path.samestat(configuration.stat(), before)
        assert list(configuration.parent.glob(".*")) == []


def test_who_reads_the_configuration_while_it_is_replaced_reads_it_whole(settings):
    configuration = settings.home / "dagster_home" / "dagster.yaml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text("telemetry: {enabled: false}")
    with configuration.open() as reading:
        with open_instance(settings):
            assert configuration.read_text() != "telemetry: {enabled: false}"
        assert reading.read() == "telemetry: {enabled: false}"
