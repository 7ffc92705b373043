"""Running one test stage in its image, and saying what became of it.

The image brings its tests; the evidence plugin is put in beside them. What comes back is untrusted text, and
may hold the secrets that were passed in: these are masked before anything is shown or kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import IO, Any, Literal

from pydantic import SecretStr

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.evidence_plugin import (
    EVIDENCE_FILE_VARIABLE,
    PLUGIN_MODULE,
    SELECTION_FILE_VARIABLE,
    plugin_files,
    selection_file,
)
from nightly_pipeline.model.evidence import (
    StageEvidence,
    bounded_lines,
    failures_of,
    fold_events,
    stage_status,
)
from nightly_pipeline.model.masking import masked
from nightly_pipeline.model.merging import suite_name
from nightly_pipeline.model.outcomes import GOOD_STAGE, ImageOutcome, StageOutcome, StageStatus
from nightly_pipeline.model.plan import PlannedStage
from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.steps.build import Logins
from nightly_pipeline.steps.logs import KeptLog
from nightly_pipeline.steps.ports import ContainerRunner, LineSink, Registry
from nightly_pipeline.steps.records import NightRecords

SUITE = "/opt/suite"
PLUGIN_FOLDER = "/nightly/plugin"
SELECTION_FILE = "/nightly/selection.json"
RESULTS_FOLDER = "/nightly/results"
EVIDENCE_FILE = "evidence.jsonl"
JUNIT_FILE = "junit.xml"
LOG_FILE = "container.log"
NODE_IDS_FILE = "node_ids.txt"
LABELS_VARIABLE = "NIGHTLY_IMAGE_LABELS"
_TOO_LONG = b"(a line that was too long to be read)\n"
"""Stands in the kept copy for such a line, so that whoever reads it later knows of the gap too."""
_PYTEST = ("-m", "pytest", "-p", PLUGIN_MODULE, "-p", "no:cacheprovider")

WriteJUnit = Callable[[StageEvidence, Path, str, Mapping[str, str], str | None], None]
"""Writes evidence as JUnit XML to a path, as a suite of this name with these properties; last, what is not good."""


@dataclass(frozen=True)
class StageTools:
    """What a stage works with. `environment` holds the variables a stage may pass on: secrets."""

    containers: ContainerRunner
    registry: Registry
    records: NightRecords
    logins: Logins
    write_junit: WriteJUnit
    environment: Mapping[str, SecretStr]
    workspace: Path
    memory_gb: float | None = None
    pids_limit: int = 4096


@dataclass(frozen=True)
class StageRun:
    """One planned stage in one run, and the image it tests (None when there is none).

    `only` names the tests to run, by node id and in their order; empty is everything the stage's markers select.
    """

    planned: PlannedStage
    date: str
    run_id: str
    image: ImageOutcome | None
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conducted:
    """What a container left behind, and what that means for the stage."""

    evidence: StageEvidence
    status: StageStatus
    message: str | None
    duration_s: float


def run_stage(run: StageRun, tools: StageTools, log: LineSink) -> StageOutcome:
    """Run or collect the stage's tests; write evidence, JUnit, log and outcome down; return the outcome.

    Tests that fail are an outcome, not an exception. What interrupts this process passes through, after the
    outcome `cancelled` was written; so does a defect of ours, after `infra_error` was.
    """
    started, clock = datetime.now(UTC), monotonic()
    fields: dict[str, Any] = {"status": StageStatus.CANCELLED, "message": "interrupted"}
    try:
        fields = _test(run, tools, log) if run.image and run.image.digest else _blocked()
    except NightlyError as error:
        fields = {"status": StageStatus.INFRA_ERROR, "message": str(error)}
    except Exception as error:
        fields = {"status": StageStatus.INFRA_ERROR, "message": f"{type(error).__name__}: {error}"}
        raise
    finally:
        fields["message"] = masked(fields["message"] or "", _secrets(run.planned, tools).values()) or None
        outcome = _outcome(run, fields, started=started, duration_s=monotonic() - clock)
        outcome = outcome.model_copy(update={"artifacts": _keep(run, tools, log)})
        tools.records.write_outcome(outcome)
    return outcome


def container_spec(run: StageRun, tools: StageTools, config: Mapping[str, Any]) -> ContainerSpec:
    """The container as a value. `config` is the image's own configuration: its labels and its environment."""
    planned, image = run.planned, run.image
    return ContainerSpec(
        image=tools.registry.reference((image and image.digest) or ""),
        entrypoint=("python3",),
        command=_pytest_arguments(run),
        environment=_environment(run, tools, config),
        run_id=run.run_id,
        step="/".join(planned.key),
        platform=planned.platform,
        deadline_s=planned.timeout_s,
        working_dir=RESULTS_FOLDER,
        gpus=planned.gpus,
        memory_bytes=_bytes(tools.memory_gb),
        pids_limit=tools.pids_limit,
        shm_bytes=_bytes(planned.shm_gb),
        memlock_unlimited=planned.gpus > 0,
        inject=plugin_files(PLUGIN_FOLDER) | ({SELECTION_FILE: selection_file(run.only)} if run.only else {}),
        collect=RESULTS_FOLDER,
        docker_host=planned.docker_host,
    )


def _pytest_arguments(run: StageRun) -> tuple[str, ...]:
    """What comes after `python3`. Single tests are not among it: pytest runs none where one of them is not there."""
    command = (*_PYTEST, "-m", run.planned.markers, SUITE)
    if run.planned.mode == "collect":
        return (*command, "--collect-only", "-q")
    # Whatever is wrong with one of the tests that are asked for, or with its file, the others run.
    return (*command, "--continue-on-collection-errors", "--maxfail=0") if run.only else command


def _environment(run: StageRun, tools: StageTools, config: Mapping[str, Any]) -> dict[str, str]:
    planned = run.planned
    settings = config.get("config") or {}
    own = dict(item.split("=", 1) for item in settings.get("Env") or () if "=" in item)
    return {
        **planned.environment,
        **_secrets(planned, tools),
        EVIDENCE_FILE_VARIABLE: f"{RESULTS_FOLDER}/{EVIDENCE_FILE}",
        **({SELECTION_FILE_VARIABLE: SELECTION_FILE} if run.only else {}),
        LABELS_VARIABLE: json.dumps(settings.get("Labels") or {}, sort_keys=True),
        # The image's own search path stays; the plugin's folder comes before it.
        "PYTHONPATH": ":".join(filter(None, (PLUGIN_FOLDER, own.get("PYTHONPATH")))),
        # Nothing about bytecode: the image knows whether it brings its own, or where its first process may keep it for
        # the others, which saves a real engine half of its start.
    }


def _secrets(planned: PlannedStage, tools: StageTools) -> dict[str, str]:
    """The variables this stage passes on, as far as they have a value."""
    return {
        name: tools.environment[name].get_secret_value()
        for name in planned.pass_environment
        if name in tools.environment
    }


def conduct(run: StageRun, tools: StageTools, log: LineSink) -> Conducted:
    """Run the container of a stage to its end, and fold what its tests left; log and evidence are in the workspace.

    Raises:
        NightlyError: runner, daemon or registry.
    """
    config = tools.registry.config_of((run.image and run.image.digest) or "")
    secrets = tuple(_secrets(run.planned, tools).values())
    with KeptLog(log, tools.workspace / LOG_FILE) as kept, tools.logins.docker_config() as docker_config:
        spec = replace(container_spec(run, tools, config), docker_config=docker_config)
        result = tools.containers.run(
            spec, workspace=tools.workspace / "results", log=lambda line: kept(masked(line, secrets))
        )
    evidence = _evidence(result, tools.workspace / EVIDENCE_FILE, secrets)
    status, message = stage_status(evidence, mode=run.planned.mode, container=result)
    return Conducted(evidence, status, message, round(result.duration_s, 3))


def _test(run: StageRun, tools: StageTools, log: LineSink) -> dict[str, Any]:
    done = conduct(run, tools, log)
    problem = None if done.status in GOOD_STAGE else f"{done.status.value}: {done.message}"
    try:
        _export(run, tools, done.evidence, problem)
    except (NightlyError, OSError) as error:  # the verdict stands on the evidence, not on its export
        log(f"{JUNIT_FILE} could not be written: {error}")
    return {
        "status": done.status,
        "message": done.message,
        "counts": done.evidence.counts,
        "failures": failures_of(done.evidence),
        "duration_s": done.duration_s,
    }


def _evidence(result: ContainerResult, copy: Path, secrets: Iterable[str]) -> StageEvidence:
    """Fold what the plugin wrote, and keep a copy of it without the secrets."""
    path = result.collected and result.collected / EVIDENCE_FILE
    if not path or path.is_symlink() or not path.is_file():
        return fold_events(())
    with path.open("rb") as source, copy.open("wb") as kept:
        return fold_events(_masked_lines(source, kept, tuple(secrets)))


def _masked_lines(source: IO[bytes], copy: IO[bytes], secrets: Iterable[str]) -> Iterator[bytes]:
    for line in bounded_lines(source):
        text = masked(line.decode("utf-8", "surrogateescape"), secrets)
        hidden = text.encode("utf-8", "surrogateescape")
        copy.write(hidden or _TOO_LONG)
        yield hidden


def _export(run: StageRun, tools: StageTools, evidence: StageEvidence, problem: str | None) -> None:
    planned, image = run.planned, run.image
    properties = {
        "run_id": run.run_id,
        "image": tools.registry.reference((image and image.digest) or ""),
        "engine": image.engine.kind if image and image.engine else "unknown",
        "mode": planned.mode,
    }
    suite = suite_name(planned.framework, planned.arch, planned.stage)
    tools.write_junit(evidence, tools.workspace / JUNIT_FILE, suite, properties, problem)
    ids = "".join(f"{node_id}\n" for node_id in evidence.node_ids)
    (tools.workspace / NODE_IDS_FILE).write_text(ids, encoding="utf-8", errors="backslashreplace")


def _keep(run: StageRun, tools: StageTools, log: LineSink) -> dict[str, str]:
    """Keep whatever there is: after a failure on the way, that is the part that says why.

    What cannot be kept is left out and said; the outcome matters more.
    """
    files: dict[Literal["evidence", "junit", "log", "node_ids"], Path] = {
        "evidence": tools.workspace / EVIDENCE_FILE,
        "junit": tools.workspace / JUNIT_FILE,
        "log": tools.workspace / LOG_FILE,
        "node_ids": tools.workspace / NODE_IDS_FILE,
    }
    kept: dict[str, str] = {}
    for name, path in files.items():
        if path.is_file():
            try:
                kept[name] = tools.records.keep_file(run.date, run.run_id, run.planned.key, path)
            except (NightlyError, OSError) as error:
                log(f"{path.name} could not be kept: {error}")
    return kept


def _blocked() -> dict[str, Any]:
    return {"status": StageStatus.BLOCKED, "message": "there is no good runtime image of this night to test"}


def _outcome(
    run: StageRun, fields: Mapping[str, Any], *, started: datetime, duration_s: float
) -> StageOutcome:
    planned, image = run.planned, run.image
    return StageOutcome(
        **{
            "date": run.date,
            "run_id": run.run_id,
            "framework": planned.framework,
            "arch": planned.arch,
            "stage": planned.stage,
            "runner": planned.runner,
            "mode": planned.mode,
            "started_at": started,
            "duration_s": round(duration_s, 3),
            "image_digest": image.digest if image else None,
            "engine": image.engine if image else None,
            **fields,
        }
    )


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * 1024**3)
