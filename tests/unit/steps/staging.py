"""What tests of running a stage share: tools that are fakes, an image to test, evidence it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from nightly_pipeline.model.outcomes import EngineFacts, StageOutcome
from nightly_pipeline.model.requests import ContainerSpec
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.stages import StageRun, StageTools, run_stage
from nightly_pipeline.tools.junit import write_junit
from tests.factories import DATE, RUN_ID, image, planned_stage
from tests.fakes.containers import FakeContainers, FakeLogins
from tests.fakes.registry_memory import MemoryRegistry
from tests.fakes.store import MemoryStore
from tests.unit.model.evidence_streams import collected, finish, passing, ran, session

UNIT = planned_stage(pass_environment=("HF_TOKEN", "NOT_SET"), environment={"NIGHTLY_TEST_MODEL": "tiny"})
DRY_RUN = planned_stage(arch="arm64")
FOLDER = f"{DATE}/{RUN_ID}/vllm/amd64/unit"
SECRET = 'hf_abc/def"ghi\\jkl\n'  # noqa: S105 - a test's own
ENGINE = EngineFacts(kind="mock", name="vllm", version="0.1.0")


def lines(*texts: str) -> dict[str, bytes]:
    return {"evidence.jsonl": "".join(f"{text}\n" for text in texts).encode()}


def failing(**fields) -> dict[str, bytes]:
    runs = [*ran("test_one"), *ran("test_two", "failed", message="AssertionError: no", **fields)]
    return lines(session(), *collected("test_one", "test_two"), *runs, finish(1))


def dry_run(*names: str, exit_code: int = 0) -> dict[str, bytes]:
    return lines(session(), *collected(*names), finish(exit_code))


def make_tools(folder: Path) -> StageTools:
    """Tools with which everything goes well."""
    return StageTools(
        containers=FakeContainers(files=lines(*passing())),
        registry=MemoryRegistry(),
        records=NightRecords(MemoryStore()),
        logins=FakeLogins(folder / "logins"),
        write_junit=lambda evidence, path, suite, properties, problem: write_junit(
            evidence, path, suite=suite, properties=properties, problem=problem
        ),
        environment={"HF_TOKEN": SecretStr(SECRET), "OTHER": SecretStr("other-secret")},
        workspace=folder / "workspace",
        memory_gb=4,
        pids_limit=512,
    )


def stage_run(tools: StageTools, planned=UNIT, **fields) -> StageRun:
    """A stage of an image that is in the registry."""
    digest = tools.registry.add_image(
        planned.platform, labels={"io.nightly.engine": "mock"}, environment=fields.pop("env", ())
    )
    built = image(arch=planned.arch, digest=digest, engine=ENGINE)
    return StageRun(**({"planned": planned, "date": DATE, "run_id": RUN_ID, "image": built} | fields))


def outcome_of(tools: StageTools, planned=UNIT, **fields) -> StageOutcome:
    outcome = run_stage(stage_run(tools, planned, **fields), tools, lambda _line: None)
    assert tools.records.outcome(DATE, RUN_ID, planned.key) == outcome
    assert tools.logins.in_use == 0
    return outcome


def asked_for(spec: ContainerSpec) -> list[str]:
    """The tests a container is to run and no others, by what is put into it."""
    return json.loads(spec.inject[spec.environment["NIGHTLY_SELECTION_FILE"]])


def ended(tools: StageTools, files=None, planned=UNIT, **end) -> StageOutcome:
    """The outcome of a container that left these files and ended so."""
    return outcome_of(replace(tools, containers=FakeContainers(files=files, **end)), planned)


def kept(tools: StageTools, name: str) -> str:
    return tools.records.store.text(f"{FOLDER}/{name}")
