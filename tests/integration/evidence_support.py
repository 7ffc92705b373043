"""Suites in containers: an image made from what this test run itself has installed, and how a container ended."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, distribution, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from nightly_pipeline.evidence_plugin import EVIDENCE_FILE_VARIABLE, PLUGIN_MODULE, plugin_files
from nightly_pipeline.model.evidence import StageEvidence, fold_events, stage_status
from nightly_pipeline.model.evidence_rows import rows_of_stage
from nightly_pipeline.model.outcomes import StageStatus
from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.tools.container_end import EndWatch
from nightly_pipeline.tools.containers import DockerContainerRunner
from tests.factories import stage as stage_outcome
from tests.integration.containers_support import READY, until
from tests.unit.evidence_plugin.case import told
from tests.unit.evidence_plugin.cases import CASES
from tests.unit.evidence_plugin.checking import check_export
from tests.unit.evidence_plugin.running import BASE_ARGUMENTS

RESULTS = "/nightly/results"
DRIVER = Path(__file__).with_name("evidence_driver.py")
ENVIRONMENT = {
    EVIDENCE_FILE_VARIABLE: f"{RESULTS}/evidence.jsonl",
    "PYTHONPATH": "/nightly/plugin:/opt/tools",
}
_READY: set[str] = set()  # labels of the containers that have said so
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


@dataclass(frozen=True)
class Ended:
    """A container that has ended, and what it left."""

    result: ContainerResult
    evidence: StageEvidence
    log: str
    folder: Path

    def judged(self) -> tuple[StageStatus, str]:
        """The stage's status and message, after a look at the export."""
        status, message = stage_status(self.evidence, mode="run", container=self.result)
        self.folder.mkdir(exist_ok=True)
        check_export(self.evidence, status, message, self.folder)
        return status, message or ""

    @property
    def told(self) -> str:
        """What the history remembers, in a line."""
        status, message = stage_status(self.evidence, mode="run", container=self.result)
        return told(rows_of_stage(self.evidence, stage_outcome(status=status, message=message)))


def run(
    image: str,
    folder: Path,
    *command: str,
    inject: dict[str, bytes] | None = None,
    when_ready: Callable[[str], None] | None = None,
    **changes: Any,
) -> Ended:
    """Run one container with the plugin in it; `when_ready` is called with its label once it says READY."""
    lines: list[str] = []
    label = f"evidence-test={uuid.uuid4().hex}"

    def log(line: str) -> None:
        lines.append(line)
        if line.endswith(READY):
            _READY.add(label)

    spec = ContainerSpec(
        image=image,
        command=command,
        run_id="0f1e2d3c4b5a",
        step="vllm/amd64/unit_tests",
        platform="linux/amd64",
        deadline_s=800,
        grace_s=2,
        environment=ENVIRONMENT,
        working_dir="/",
        inject={**plugin_files("/nightly/plugin"), **(inject or {})},
        collect=RESULTS,
        labels=dict([label.split("=")]),
    )
    with ThreadPoolExecutor(1) as elsewhere:
        if when_ready is not None:
            elsewhere.submit(lambda: (until(lambda: label in _READY), when_ready(label)))
        try:
            result = DockerContainerRunner().run(replace(spec, **changes), workspace=folder, log=log)
        finally:
            _READY.add(label)  # it has ended, ready or not
    return Ended(result, read(folder / "evidence.jsonl"), "\n".join(lines), folder)


def run_suite(
    image: str, folder: Path, source: str, *, arguments: tuple[str, ...] = (), **changes: Any
) -> Ended:
    """Run one suite as a stage does: all installed plugins loaded, pytest the container's own process."""
    inject = {"/suite/test_it.py": source.encode(), **changes.pop("inject", {})}
    command = ("python3", "-m", "pytest", "-p", PLUGIN_MODULE, "-p", "no:cacheprovider", "/suite", *arguments)
    return run(image, folder, *command, inject=inject, **changes)


def run_table(image: str, folder: Path) -> Ended:
    """Run every row of the table in one container; each leaves a folder of its own."""
    rows = [
        {
            "name": case.name,
            "files": dict(case.files),
            "arguments": [*BASE_ARGUMENTS, *case.arguments],
            "environment": dict(case.environment),
        }
        for case in CASES
    ]
    inject = {"/nightly/cases.json": json.dumps(rows).encode(), "/nightly/driver.py": DRIVER.read_bytes()}
    command = ("python3", "/nightly/driver.py", "/nightly/cases.json", RESULTS)
    environment = {**ENVIRONMENT, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return run(image, folder, *command, inject=inject, environment=environment, deadline_s=800)


def is_ready(watch: EndWatch) -> bool:
    """Whether one of these containers has said READY."""
    return any("=".join(label) in _READY for label in watch._spec.labels.items())


def run_and(*docker: str) -> Callable[..., Ended]:
    """Run a suite, and a docker command on its container as soon as a test says READY."""

    def interfere(label: str) -> None:
        container = _output("docker", "ps", "--quiet", "--filter", f"label={label}")
        _output("docker", *docker, container)

    def run_interfered_with(image: str, folder: Path, source: str) -> Ended:
        return run_suite(image, folder, source, when_ready=interfere)

    return run_interfered_with


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def read(path: Path) -> StageEvidence:
    """Fold an evidence file; none is an empty evidence."""
    if not path.is_file():
        return fold_events(())
    with path.open("rb") as lines:
        return fold_events(lines)
