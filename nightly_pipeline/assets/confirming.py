"""The asset `confirmed_failures`: runs a night's new failures again before the summary tells of them.

It runs in the summary's run, and only where a run of the night failed: a green night does not know it. Whatever goes
wrong here is said here, and the summary is made all the same.
"""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from nightly_pipeline.assets.naming import RERUNS_CHECK, SUMMARY_GROUP, SUMMARY_TAG
from nightly_pipeline.assets.output import print_line
from nightly_pipeline.assets.remembering import remember_night
from nightly_pipeline.assets.summary import night_report, runs_beside_others
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.confirmation import Confirmed, PlannedRerun, plan_reruns
from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS
from nightly_pipeline.model.plan import CONFIRMATION_KEY, Plan
from nightly_pipeline.model.quarantine import Quarantine
from nightly_pipeline.model.report import Report
from nightly_pipeline.planning import make_plan
from nightly_pipeline.quarantine_file import read_quarantine
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.confirm import ConfirmTools, confirm
from nightly_pipeline.steps.judge import Rules, judge
from nightly_pipeline.stores import open_history

CHECK = dg.AssetCheckSpec(
    name=RERUNS_CHECK,
    asset=list(CONFIRMATION_KEY),
    description="Every new failure that should be repeated could be. The verdict on the others stands on less.",
)


def confirming_asset(plan: Plan, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset that repeats new failures. It explains them, and changes no outcome."""
    stages = [planned for planned in plan.stages if planned.mode == "run"]

    @dg.asset(
        key=list(CONFIRMATION_KEY),
        deps=[list(planned.key) for planned in stages],
        partitions_def=partitions,
        group_name=SUMMARY_GROUP,
        pool=confirming_pool([planned.runner for planned in stages]),
        kinds={"docker", "pytest"},
        check_specs=[CHECK],
        description="Runs the night's new failures once more, on the same image and on the one on which they were "
        "good last: chance, surroundings or a regression.",
    )
    def confirmed_failures(context: dg.AssetExecutionContext, workplace: Workplace) -> dg.MaterializeResult:
        if runs_beside_others(context):
            return _result([], "this is done by a run of its own, when this run has ended")
        try:
            return _result(_confirm(context, workplace))
        except Exception as error:  # the summary is made whatever goes wrong here
            context.log.warning("new failures could not be repeated", exc_info=True)
            said = error.message if isinstance(error, NightlyError) else f"{type(error).__name__}: {error}"
            return _result([], problems=[said])

    return confirmed_failures


def confirming_pool(runners: Sequence[str]) -> str | None:
    """The runner whose slot is held: that of most stages. Reruns go one after the other, on whatever runner."""
    return Counter(runners).most_common(1)[0][0] if runners else None


def _confirm(context: dg.AssetExecutionContext, workplace: Workplace) -> tuple[Confirmed, ...]:
    settings, records = workplace.settings(), workplace.records()
    remember_night(context.instance, settings, records, date=context.partition_key)
    report = _report(context, workplace)
    if report.running or not settings.confirmation.enabled:
        return ()
    tools = ConfirmTools(
        stages={planned.key: planned for planned in make_plan(settings).stages},
        run_id=context.run.run_id,
        records=records,
        history=open_history(settings),
        stage_tools=workplace.stage_tools,
        workspace=workplace.workspace,
        log=print_line,
    )
    return confirm(_planned(report, settings, tools), tools, settings.confirmation)


def _report(context: dg.AssetExecutionContext, workplace: Workplace) -> Report:
    """The run that the summary was asked for; without one, the newest of the night."""
    settings, records, night = workplace.settings(), workplace.records(), context.partition_key
    run_id = context.run.tags.get(SUMMARY_TAG)
    if not run_id:
        run_id = night_report(context.instance, settings, records, date=night).run_id
    return night_report(context.instance, settings, records, date=night, run_id=run_id)


def _planned(report: Report, settings: Settings, tools: ConfirmTools) -> tuple[PlannedRerun, ...]:
    """What to repeat, by the rules that judge the night later on; nothing of the quarantine."""
    if not any(stage.failures for stage in report.stages):
        return ()
    judgement = judge(report, tools.history, Rules(quarantine=_quarantine(settings)))
    limits, revision = settings.confirmation, report.source_revision
    return plan_reruns(report.stages, judgement.verdicts, limits, revision=revision)


def _quarantine(settings: Settings) -> Quarantine:
    try:
        return read_quarantine(
            settings.quarantine_file, leave_after_nights=settings.quarantine.leave_after_nights
        )
    except (NightlyError, OSError, UnicodeDecodeError):
        # A file that is not valid excuses nothing; the summary says so.
        return Quarantine()


def _result(
    confirmed: Sequence[Confirmed], note: str | None = None, *, problems: Sequence[str] = ()
) -> dg.MaterializeResult:
    said = [*problems, *(f"{_cell(one)}: {problem}" for one in confirmed for problem in one.problems)]
    check = dg.AssetCheckResult(
        check_name=CHECK.name,
        passed=not said,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(said) or note or "nothing is left to be repeated",
    )
    return dg.MaterializeResult(metadata=_metadata(confirmed), check_results=[check])


def _metadata(confirmed: Sequence[Confirmed]) -> dict[str, dg.MetadataValue | int]:
    again = [result for one in confirmed for result in one.again.values()]
    found: dict[str, dg.MetadataValue | int] = {
        "repeated": len(again),
        "good_when_repeated": sum(result in GOOD_RESULTS for result in again),
        "bad_again": sum(result in BAD_RESULTS for result in again),
        "left_out": sum(one.left_out for one in confirmed),
    }
    if confirmed:
        found["reruns"] = dg.MetadataValue.table([_record(one) for one in confirmed])
    return found


def _record(one: Confirmed) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "stage": _cell(one),
            "repeated": len(one.again),
            "bad_again": len(one.bad_again),
            "on_last_good_image": ", ".join(sorted({result.value for result in one.previous.values()}))
            or "-",
            "left_out": one.left_out,
            "notes": "; ".join((*one.notes, *one.problems)),
        }
    )


def _cell(one: Confirmed) -> str:
    return f"{one.framework}/{one.arch}/{one.stage}"
