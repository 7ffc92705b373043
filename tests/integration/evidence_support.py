"""An image with pytest and its plugins, made from what this test run itself has installed."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, distribution, requires
from pathlib import Path

from packaging.requirements import Requirement

PLUGINS = ("pytest", "pytest-timeout", "pytest-xdist", "pytest-rerunfailures")
CONTAINERFILE = """\
FROM {base}
COPY tools /opt/tools
RUN python3 -m compileall -q /opt/tools
ENV PYTHONPATH=/opt/tools
USER 1000:1000
"""


@contextmanager
def image_with_pytest(base: str, folder: Path) -> Iterator[str]:
    """Build the image, give its name, remove it. Its user is not root, as in most images."""
    name = f"nightly-evidence-test:{uuid.uuid4().hex[:12]}"
    for each in _with_requirements(PLUGINS):
        _copy(each, folder / "tools")
    (folder / "Dockerfile").write_text(CONTAINERFILE.format(base=base))
    try:
        subprocess.run(["docker", "build", "--quiet", "--tag", name, folder], check=True, capture_output=True)
        yield name
    finally:
        subprocess.run(["docker", "image", "rm", "--force", name], check=False, capture_output=True)


def _with_requirements(names: tuple[str, ...]) -> Iterator[Distribution]:
    seen: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        yield distribution(name)
        needed = map(Requirement, requires(name) or ())
        left += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]


def _copy(each: Distribution, destination: Path) -> None:
    for file in each.files or ():
        if ".." in file.parts or file.suffix == ".pyc":
            continue  # scripts, which call an interpreter that is not in the image
        target = destination / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), target)
