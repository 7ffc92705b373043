"""The list of exit codes: whole, and the same wherever people read it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from click.testing import CliRunner

from nightly_pipeline import errors
from nightly_pipeline.cli import main
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.exit_codes import INTERRUPTED, exit_codes

README = Path(__file__).parents[2] / "README.md"


def test_every_error_has_its_code_in_the_list():
    classes = [cls for cls in vars(errors).values() if inspect.isclass(cls) and issubclass(cls, NightlyError)]
    assert {cls.exit_code for cls in classes} | {0, INTERRUPTED} == set(exit_codes())


def test_each_means_something_of_its_own():
    meanings = exit_codes().values()
    assert all(meanings)
    assert len(set(meanings)) == len(meanings)


def test_help_lists_them_a_line_each():
    shown = CliRunner().invoke(main, ["--help"]).stdout
    found = re.findall(r"^ +(\d+) +(\S.*)$", shown.partition("Exit codes:")[2], flags=re.MULTILINE)
    assert {int(code): meaning for code, meaning in found} == exit_codes()


def test_the_readme_lists_the_same():
    table = README.read_text().partition("| exit code | meaning |")[2].partition("\n\n")[0]
    assert dict(re.findall(r"^\| (\d+) \| (.+) \|$", table, flags=re.MULTILINE)) == {
        str(code): meaning for code, meaning in exit_codes().items()
    }
