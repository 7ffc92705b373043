"""The pytest plugin that is put into a container at run time, as data.

It is injected as one file, so that the image under test needs nothing of ours: put it on `PYTHONPATH`, name
the evidence file in the environment, and call pytest with `-p nightly_evidence`.
"""

from __future__ import annotations

from importlib.resources import files

PLUGIN_MODULE = "nightly_evidence"
"""The module: the file is injected as `nightly_evidence.py` and activated with `-p nightly_evidence`."""

EVIDENCE_FILE_VARIABLE = "NIGHTLY_EVIDENCE_FILE"
"""Names the variable with the absolute path of the file to write; the image's user must have the right."""


def plugin_source() -> bytes:
    """The plugin's source, as it is injected into a container."""
    return files(__package__).joinpath(f"{PLUGIN_MODULE}.py").read_bytes()
