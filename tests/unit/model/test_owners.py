from __future__ import annotations

import pytest

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.owners import Owners, parse_owners

TEXT = """
# everything
*                       @everyone
/docker/suite/unit/     @core
/docker/suite/e2e/      @serving mail@example.org
*_kv.py                 @kv
/docker/suite/free/
"""


def owners_of(node_id: str) -> tuple[str, ...]:
    owners = parse_owners(TEXT, file="CODEOWNERS", suite="docker/suite")
    return owners.of(TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id=node_id))


@pytest.mark.parametrize(
    ("node_id", "expected"),
    [
        ("unit/test_a.py::test_b", ("@core",)),
        ("unit/deep/er/test_a.py::TestA::test_b[x::y]", ("@core",)),
        ("e2e/test_serve.py::test_b", ("@serving", "mail@example.org")),
        ("unit/test_kv.py::test_b", ("@kv",)),
        ("other/test_a.py::test_b", ("@everyone",)),
        ("free/test_a.py::test_b", ()),
        ("unit/test_a.py", ("@core",)),
    ],
)
def test_the_last_pattern_that_fits_a_tests_file_names_its_owners(node_id, expected):
    assert owners_of(node_id) == expected


def test_of_several_tests_the_owner_of_most_comes_first():
    tests = [
        TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id=name)
        for name in ("unit/test_kv.py::a", "unit/test_b.py::b", "unit/test_c.py::c")
    ]
    assert parse_owners(TEXT, file="f", suite="docker/suite").of_all(tests) == ("@core", "@kv")


def test_without_a_file_nobody_is_asked():
    assert Owners().of_file("unit/test_a.py") == ()


def test_a_pattern_that_cannot_be_understood_is_named():
    with pytest.raises(SettingsError, match=r"'\.github/CODEOWNERS' is not valid.*\[abc"):
        parse_owners("[abc @core", file=".github/CODEOWNERS")
