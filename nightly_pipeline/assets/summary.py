"""The summary of a night: report, page, message. It runs after success, failure and cancellation alike.

It cannot be a downstream step of the night (it would be abandoned with the steps it should report), so it is a run
of its own, which can be repeated.
"""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

from collections.abc import Iterator, Mapping
from datetime import timedelta

import dagster as dg

from nightly_pipeline.assets.announcing import open_announcer, usual_of
from nightly_pipeline.assets.judging import judged
from nightly_pipeline.assets.known_good import KNOWN_GOOD_CHECK, known_good_result, promote_after
from nightly_pipeline.assets.links import kept_links, links_of, shared_links
from nightly_pipeline.assets.metadata import place, summary_metadata
from nightly_pipeline.assets.naming import SUMMARY_GROUP, SUMMARY_TAG
from nightly_pipeline.assets.night_run import run_facts
from nightly_pipeline.assets.pages import keep_index, page_of
from nightly_pipeline.assets.remembering import remember_night
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.markdown import report_markdown
from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.plan import CONFIRMATION_KEY, SUMMARY_KEY, Key, Plan
from nightly_pipeline.model.reading import Tone, causes, headline, night_tone
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.report_json import report_json
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.merged_junit import keep_merged_junit
from nightly_pipeline.steps.overview import INDEX_PAGE
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.report import (
    REPORT_JSON,
    REPORT_MARKDOWN,
    REPORT_PAGE,
    gather_report,
    keep_documents,
)
from nightly_pipeline.tools.junit import merge_suites

_PROBLEMS_NAMED = 5
CHECK = dg.AssetCheckSpec(
    name="night_is_green",
    asset=list(SUMMARY_KEY),
    description="Every planned image is there and every planned test stage is good. What is not known is not green.",
)


def summary_asset(
    plan: Plan, partitions: dg.PartitionsDefinition, *, max_age: timedelta = timedelta(hours=26)
) -> dg.AssetsDefinition:
    """The asset `nightly_summary`. In the graph it comes last; its run waits for nothing and is made of it alone.

    Dagster shows it as overdue when it is older than `max_age`. Any summary refreshes that, also one of a part of a
    night or of the past: whether whole nights come is the check `nights_come_in_time`.
    """

    @dg.asset(
        key=list(SUMMARY_KEY),
        deps=[list(key) for key in (*_last(plan), CONFIRMATION_KEY)],
        partitions_def=partitions,
        group_name=SUMMARY_GROUP,
        output_required=False,
        check_specs=[CHECK, KNOWN_GOOD_CHECK],
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=max_age),
        kinds={"slack", "markdown"},
        description="What became of the night: the table, the page, the message to the team.",
    )
    def nightly_summary(
        context: dg.AssetExecutionContext, workplace: Workplace
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        if runs_beside_others(context):
            # "Materialize all" selects this too, but how that run ends nobody knows yet: nothing is summarised.
            yield _check_result(
                "the summary is made by a run of its own, when this run has ended", green=False
            )
            yield known_good_result(None)
        else:
            yield _summary(context, workplace)

    return nightly_summary


def _last(plan: Plan) -> list[Key]:
    """What nothing else of the night waits for."""
    awaited = {key for entry in plan.entries for key in entry.depends_on}
    return [entry.key for entry in plan.entries if entry.key not in awaited]


def runs_beside_others(context: dg.AssetExecutionContext) -> bool:
    """Whether this run makes what is summarised, too: how it ends nobody knows yet."""
    own = {SUMMARY_KEY, CONFIRMATION_KEY}
    return any(tuple(key.path) not in own for key in context.job_def.asset_layer.selected_asset_keys)


def _summary(context: dg.AssetExecutionContext, workplace: Workplace) -> dg.MaterializeResult:
    settings, records = workplace.settings(), workplace.records()
    remembered = _remember(context, settings, records)
    try:
        report = night_report(context.instance, settings, records, date=context.partition_key)
    except NightlyError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    report = _with_merged_junit(context, report, records)
    judgement = judged(report, settings, records)
    report = judgement.report
    kept = keep_report(report, settings, records)
    run_id = context.run.tags.get(SUMMARY_TAG)
    metadata = {
        **summary_metadata(report, shared_links(settings, records, report)),
        **_places(report, records, kept),
        "message": _announce(context, report, settings, records),
        "history": remembered,
        "judgement": str(judgement),
        "asked_for_by": dg.MetadataValue.dagster_run(run_id) if run_id else "a person",
    }
    green = night_tone(report) is Tone.GOOD
    verdict = _check_result(_why(report), green=green, red=report.status is NightStatus.RED)
    promoted = promote_after(report, settings, records.store, run_id=report.run_id)
    return dg.MaterializeResult(metadata=metadata, check_results=[verdict, known_good_result(promoted)])


def _places(report: Report, records: NightRecords, kept: Mapping[str, str]) -> dict[str, dg.MetadataValue]:
    """Where the page is, the list of all nights, and what else is kept of the report."""
    return {
        "page": place(kept[REPORT_PAGE]),
        **({"all_nights": place(kept[INDEX_PAGE])} if INDEX_PAGE in kept else {}),
        **{name: place(records.store.location(key)) for name, key in report.artifacts.items()},
    }


def _remember(context: dg.AssetExecutionContext, settings: Settings, records: NightRecords) -> str:
    """Put the night into the history, before it is judged. Without it the night is told all the same."""
    remembered = remember_night(context.instance, settings, records, date=context.partition_key)
    for problem in remembered.problems:
        context.log.warning(problem)
    return str(remembered)


def _with_merged_junit(context: dg.AssetExecutionContext, report: Report, records: NightRecords) -> Report:
    """The report with the night's JUnit files. They are exports: without them the night is told all the same."""
    try:
        kept = keep_merged_junit(report, records.store, merge_suites)
    except (NightlyError, OSError) as error:
        context.log.warning("the night's JUnit files could not be written: %s", error)
        return report
    return report.model_copy(update={"artifacts": kept})


def _why(report: Report) -> str:
    """The verdict, and what it comes from: `red: vllm/amd64/unit failed`."""
    problems = causes(report)
    named = [f"{item.label} {item.word}" for item in problems[:_PROBLEMS_NAMED]]
    if len(problems) > len(named):
        named.append(f"{len(problems) - len(named)} more")
    return f"{headline(report)}: {', '.join(named)}" if named else headline(report)


def _check_result(text: str, *, green: bool, red: bool = False) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if red else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(check_name=CHECK.name, passed=green, severity=severity, description=text)


def night_report(
    instance: dg.DagsterInstance,
    settings: Settings,
    records: NightRecords,
    *,
    date: str,
    run_id: str | None = None,
) -> Report:
    """The report of a night, or of one run of it.

    Raises:
        RecordError: nothing is on record.
    """
    plan = make_plan(settings)
    runs = run_facts(instance, plan, date=date)
    return gather_report(date, plan, [run for run in runs if run_id in {None, run.run_id}], records)


def keep_report(report: Report, settings: Settings, records: NightRecords) -> dict[str, str]:
    """Keep the report in every format beside the run's artifacts; return where each is found."""
    links = kept_links(settings, records, report)
    documents = {
        REPORT_JSON: report_json(report),
        REPORT_MARKDOWN: report_markdown(report, links=links),
        REPORT_PAGE: page_of(report, settings, links),
    }
    kept = keep_documents(report, documents, records)
    index = keep_index(settings, records)
    return kept | ({INDEX_PAGE: index} if index else {})


def _announce(
    context: dg.AssetExecutionContext, report: Report, settings: Settings, records: NightRecords
) -> str:
    """Tell the team. An outage of Slack never fails a night: the summary can be materialized again later."""
    if not settings.slack.configured:
        return "no Slack token or webhook is configured"
    try:
        links, usual_s = links_of(settings, records, report), usual_of(settings, report)
        where = open_announcer(settings).conclude(report, links, usual_s=usual_s)
    except NightlyError as error:
        context.log.warning(str(error))
        return f"not delivered: {error.message}"
    return where or "delivered"
