"""What tests of confirming reruns share: a night with two new failures, and what the reruns of them leave."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from nightly_pipeline.model.confirmation import Limits, PlannedRerun
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.steps.confirm import ConfirmTools, confirm
from tests.factories import stage
from tests.fakes.containers import FakeContainers
from tests.fakes.history import MemoryHistory
from tests.history_rows import row
from tests.unit.model.evidence_streams import FILE, collected, finish, ran, session
from tests.unit.steps import staging

ONE, TWO = f"{FILE}::test_one", f"{FILE}::test_two"
FOLDER = f"{staging.FOLDER}/confirmation"
LAST_NIGHT = "2026-11-19"
PASSED, FAILED, CRASHED, SKIPPED = (TestResult(word) for word in ("passed", "failed", "crashed", "skipped"))


def evidence(**results: str) -> dict[str, bytes]:
    runs = [text for name, result in results.items() for text in ran(name, result)]
    return staging.lines(session(), *collected(*results), *runs, finish(int("failed" in results.values())))


@dataclass
class ByImage(FakeContainers):
    """Each image's container leaves its own evidence."""

    by_digest: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def run(self, spec, *, workspace, log):
        self.files = self.by_digest[spec.image.partition("@")[2]]
        return super().run(spec, workspace=workspace, log=log)


@dataclass
class World:
    """A night with two new failures, on an image; both were good on last night's."""

    tools: ConfirmTools
    stage_tools: staging.StageTools
    containers: ByImage
    tonight: str
    before: str
    limits: Limits = field(default_factory=Limits)

    @property
    def history(self) -> MemoryHistory:
        return self.tools.history

    @property
    def kept(self) -> dict[str, bytes]:
        return self.stage_tools.records.store.kept

    def confirm(self, *tests: str, **plan):
        bad = stage(status="failed", image_digest=self.tonight, engine=staging.ENGINE)
        rerun = PlannedRerun(**{"stage": bad, "tests": tests or (ONE, TWO), "revision": "c0ffee", **plan})
        (found,) = confirm([rerun], self.tools, self.limits)
        return found

    def images(self) -> list[str]:
        return [spec.image.partition("@")[2] for spec in self.containers.specs]


def make_world(folder: Path) -> World:
    """ONE fails again on tonight's image and not on last night's, TWO does not."""
    containers = ByImage()
    stages = replace(staging.make_tools(folder), containers=containers)
    tonight, before = (
        stages.registry.add_image("linux/amd64", labels={"io.nightly.engine": "mock", "night": night})
        for night in ("tonight", "before")
    )
    containers.by_digest = {
        tonight: evidence(test_one="failed", test_two="passed"),
        before: evidence(test_one="passed"),
    }
    containers.exit_code = 1
    history = MemoryHistory()
    was = {"date": LAST_NIGHT, "run_id": "last", "image_digest": before, "source_revision": "beef"}
    engine = {"engine": "vllm 0.0.9", "engine_kind": "mock"}
    history.add(
        [row(ONE, **was, **engine), row(TWO, **was, **engine)], date=LAST_NIGHT, run_id="last", part="x"
    )

    @contextmanager
    def workspace(run_id, key):
        place = folder / run_id / "-".join(key)
        place.mkdir(parents=True)
        try:
            yield place
        finally:
            shutil.rmtree(place)

    tools = ConfirmTools(
        stages={staging.UNIT.key: staging.UNIT},
        run_id="confirming",
        records=stages.records,
        history=history,
        stage_tools=lambda workspace: replace(stages, workspace=workspace),
        workspace=workspace,
        log=lambda _line: None,
    )
    return World(tools, stages, containers, tonight, before)


def added(world: World) -> list[tuple]:
    rows = [one for key, part in world.history.parts.items() if key[1] != "last" for one in part]
    return [(one.source, one.node_id, one.result, one.image_digest, one.source_revision) for one in rows]
