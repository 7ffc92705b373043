"""What tests of the command line ask for: `nightly`, as a person calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nightly_pipeline.cli import main


@pytest.fixture
def nightly(tmp_path: Path):
    def call(*arguments: str, **variables: str) -> Result:
        environment = {"NIGHTLY_HOME": str(tmp_path / "home"), "NIGHTLY_PROFILE": None, "COLUMNS": "110"}
        environment |= variables
        return CliRunner().invoke(main, arguments, env=environment, prog_name="nightly")

    return call
