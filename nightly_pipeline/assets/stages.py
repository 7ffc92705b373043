"""Assets of test stages, each with a check that is red when its tests are not good."""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

import dagster as dg

from nightly_pipeline.assets.entries import entry_options, runtime_image
from nightly_pipeline.assets.metadata import stage_metadata
from nightly_pipeline.assets.night_run import night_run
from nightly_pipeline.assets.output import print_line
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.model.counts import counts_line
from nightly_pipeline.model.outcomes import GOOD_STAGE, StageOutcome
from nightly_pipeline.model.plan import PlannedStage
from nightly_pipeline.steps.stages import StageRun, run_stage


def stage_asset(planned: PlannedStage, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset of one test stage of one cell."""
    check = dg.AssetCheckSpec(
        name=check_name(planned),
        asset=list(planned.key),
        blocking=True,
        description=f"`pytest -m '{planned.markers}'` in the runtime image, on {planned.runner}.",
    )

    @dg.asset(
        **entry_options(planned, partitions),
        kinds={"docker", "pytest"},
        check_specs=[check],
        description=_description(planned),
    )
    def stage(context: dg.AssetExecutionContext, workplace: Workplace) -> dg.MaterializeResult:
        outcome = _stage_outcome(context, workplace, planned)
        return dg.MaterializeResult(
            metadata=stage_metadata(outcome, workplace.records()),
            check_results=[_check_result(check.name, outcome)],
        )

    return stage


def check_name(planned: PlannedStage) -> str:
    """What the check is called: collected is not passed, so a dry run has a name of its own."""
    return "tests_pass" if planned.mode == "run" else "tests_collect"


def _stage_outcome(
    context: dg.AssetExecutionContext, workplace: Workplace, planned: PlannedStage
) -> StageOutcome:
    night = night_run(context, workplace.settings())
    image = runtime_image(planned, night, workplace.records())
    with workplace.workspace(night.run_id, planned.key) as workspace:
        run = StageRun(planned=planned, date=night.partition, run_id=night.run_id, image=image)
        return run_stage(run, workplace.stage_tools(workspace), print_line)


def _check_result(name: str, outcome: StageOutcome) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=outcome.status in GOOD_STAGE,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_sentence(outcome),
        metadata={"status": outcome.status.value, **outcome.counts.model_dump()},
    )


def _sentence(outcome: StageOutcome) -> str:
    engine = "mock engine" if outcome.engine and outcome.engine.kind == "mock" else None
    return "; ".join(filter(None, (f"{outcome.status}: {counts_line(outcome)}", engine, outcome.message)))


def _description(planned: PlannedStage) -> str:
    verb = "Runs" if planned.mode == "run" else "Collects, without running,"
    gpus = f" with {planned.gpus} GPU(s)" if planned.gpus else ""
    return (
        f"{verb} the {planned.stage} tests of {planned.framework} for {planned.platform} "
        f"on {planned.runner}{gpus}, within {planned.timeout_s / 60:g} minutes."
    )
