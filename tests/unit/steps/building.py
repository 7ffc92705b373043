"""What tests of building an image share: a planned image, tools that are fakes, and a look at the records."""

from __future__ import annotations

from pathlib import Path

from nightly_pipeline.model.outcomes import ImageOutcome
from nightly_pipeline.steps.build import BuildTools, build_image
from nightly_pipeline.steps.build_requests import ImageRun
from nightly_pipeline.steps.records import NightRecords
from tests.factories import DATE, RUN_ID, planned_image
from tests.fakes.builder import FakeBuilder
from tests.fakes.containers import FakeContainers, FakeLogins
from tests.fakes.registry_memory import MemoryRegistry
from tests.fakes.source import revision
from tests.fakes.store import MemoryStore

ENGINE = {"ENGINE_KIND": "mock", "ENGINE_VERSION": "0.1.0"}
RUNTIME = planned_image(build_args=ENGINE, labels={"io.nightly.image": "runtime"})
FRAMEWORK = planned_image(kind="framework", build_args=ENGINE)
RUN_TAG, MOVING_TAG = "nightly-vllm-amd64-run-1f3a9c02", "nightly-vllm-amd64"
FOLDER = f"{DATE}/{RUN_ID}/vllm/amd64/runtime_image"


def make_tools(folder: Path) -> BuildTools:
    """Tools with which everything goes well."""
    registry = MemoryRegistry()
    return BuildTools(
        builder=FakeBuilder(registry),
        registry=registry,
        containers=FakeContainers(output=('{"checks": []}',)),
        records=NightRecords(MemoryStore()),
        logins=FakeLogins(Path("/logins")),
        cache_repository="localhost:5000/nightly-cache",
        secrets={"ca": Path("/etc/ca.pem")},
        workspace=folder / "workspace",
    )


def image_run(planned=RUNTIME, **fields) -> ImageRun:
    defaults = {"date": DATE, "run_id": RUN_ID, "revision": revision(), "source": Path("/sources/tree")}
    return ImageRun(planned=planned, **(defaults | fields))


def build(tools: BuildTools, planned=RUNTIME, **fields) -> ImageOutcome:
    """Build, and see that the records say the same as the answer."""
    outcome = build_image(image_run(planned, **fields), tools, silent)
    assert on_record(tools, planned) == outcome
    return outcome


def on_record(tools: BuildTools, planned=RUNTIME) -> ImageOutcome | None:
    return tools.records.outcome(DATE, RUN_ID, planned.key)


def kept(tools: BuildTools, name: str) -> str:
    return tools.records.store.text(f"{FOLDER}/{name}")


def silent(line: str) -> None:
    """A log nobody reads."""
