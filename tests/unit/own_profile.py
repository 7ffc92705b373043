"""Writes a profile of a test's own, and loads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.settings import Settings, load_settings


def load(folder: Path, text: str = "", **environment: str) -> Settings:
    """The settings of a profile that extends `local`, with these environment variables and no others."""
    path = folder / "own.yaml"
    path.write_text(text if "extends" in text else f"extends: local\n{text}\n")
    return load_settings(str(path), environment=environment, root=folder)


def refusal(folder: Path, text: str = "", **environment: str) -> str:
    """What is said about a profile that is refused."""
    with pytest.raises(SettingsError) as refused:
        load(folder, text, **environment)
    assert refused.value.exit_code == 2
    return refused.value.message
