"""The pytest plugin that is put into a container at run time, as data.

It is injected as a small package, so that the image under test needs nothing of ours: put its folder on `PYTHONPATH`,
name the evidence file in the environment, and call pytest with `-p nightly_evidence`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files

PLUGIN_MODULE = "nightly_evidence"
"""The package: it is activated with `-p nightly_evidence`."""

EVIDENCE_FILE_VARIABLE = "NIGHTLY_EVIDENCE_FILE"
"""Names the variable with the absolute path of the file to write; the image's user must have the right."""

SELECTION_FILE_VARIABLE = "NIGHTLY_SELECTION_FILE"
"""Names the variable with the path of a file as `selection_file` makes it; without it, everything runs."""


def plugin_files(folder: str) -> dict[str, bytes]:
    """The plugin's files as they are injected into a container: path below a folder -> content.

    >>> "/plugin/nightly_evidence/__init__.py" in plugin_files("/plugin")
    True
    """
    package = files(__package__).joinpath(PLUGIN_MODULE)
    return {
        f"{folder}/{PLUGIN_MODULE}/{file.name}": file.read_bytes()
        for file in sorted(package.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".py")
    }


def selection_file(node_ids: Iterable[str]) -> bytes:
    """What to run, as the plugin reads it: node ids as the evidence told them, in the order they are to run in.

    >>> selection_file(["unit/test_a.py::test_one[a::b]"])
    b'["unit/test_a.py::test_one[a::b]"]'
    """
    return json.dumps(list(node_ids)).encode("ascii")
