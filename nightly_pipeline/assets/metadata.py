"""Outcomes as Dagster metadata: what people look for on the asset's page, numbers as numbers, which plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from nightly_pipeline.model.counts import count_collected, counts_run
from nightly_pipeline.model.incident_table import incident_table, verdict_counts
from nightly_pipeline.model.links import Links
from nightly_pipeline.model.markdown import summary_table
from nightly_pipeline.model.metrics import BuildMetrics
from nightly_pipeline.model.outcomes import ImageOutcome, PublicationOutcome, StageOutcome
from nightly_pipeline.model.reading import causes, duration_s, headline, mock_note
from nightly_pipeline.model.report import Report
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.build import METRICS_FILE
from nightly_pipeline.steps.records import NightRecords

Metadata = dict[str, Any]
_MOST_FAILURES_SHOWN = 50
_SLOWEST_STEPS_SHOWN = 15


def image_metadata(outcome: ImageOutcome, records: NightRecords) -> Metadata:
    """Metadata of an image, its build metrics among them."""
    metadata: Metadata = {
        "status": outcome.status.value,
        **_present(
            message=outcome.message,
            tags=", ".join(outcome.tags) or None,
            digest=outcome.digest,
            reference=outcome.reference,
            engine=outcome.engine and f"{outcome.engine.kind} {outcome.engine.name} {outcome.engine.version}",
        ),
        "revision": outcome.source_revision or "unknown",
        "runner": outcome.runner,
        "duration_s": outcome.duration_s,
    }
    metadata |= _present(
        image_bytes=outcome.size_bytes,
        base=outcome.base,
        base_digest=outcome.base_digest,
        built_by_run=outcome.built_by_run and dg.MetadataValue.dagster_run(outcome.built_by_run),
    )
    metadata |= _locations(outcome.artifacts, records)
    return metadata | _metrics_metadata(outcome, records)


def stage_metadata(outcome: StageOutcome, records: NightRecords) -> Metadata:
    """Metadata of a test stage: counts as numbers, failures as a table."""
    metadata: Metadata = {
        "status": outcome.status.value,
        **_present(
            message=outcome.message,
            engine=outcome.engine and f"{outcome.engine.kind} {outcome.engine.name} {outcome.engine.version}",
        ),
        "mode": outcome.mode,
        **outcome.counts.model_dump(),
        "runner": outcome.runner,
        "duration_s": outcome.duration_s,
    }
    metadata |= _present(image_digest=outcome.image_digest)
    if outcome.failures:
        metadata["failures"] = _failures_table(outcome)
    return metadata | _locations(outcome.artifacts, records)


def publication_metadata(outcome: PublicationOutcome) -> Metadata:
    """Metadata of a publication: what each registry answered."""
    metadata: Metadata = {
        "status": outcome.status.value,
        **_present(message=outcome.message, digest=outcome.digest),
        "platforms": ", ".join(outcome.platforms),
        "signed": outcome.signed,
        "duration_s": outcome.duration_s,
    }
    for copy in outcome.copies:
        metadata[f"{copy.registry}_reference"] = copy.reference
        metadata[f"{copy.registry}_tags"] = ", ".join(copy.tags)
        metadata[f"{copy.registry}_uploaded_bytes"] = copy.uploaded_bytes
    return metadata


def console_links(settings: Settings, digest: str | None, roles: Iterable[str]) -> Metadata:
    """Where the image is seen in the consoles of these registries' clouds; plain registries have none."""
    found = {role: settings.registries[role].console(digest) for role in roles if role in settings.registries}
    return {f"{role}_console": dg.MetadataValue.url(url) for role, url in found.items() if url}


def summary_metadata(report: Report, links: Links) -> Metadata:
    """Metadata of a night's summary: the verdict, the table, and counts that plot over the nights."""
    counts = counts_run(report)
    seconds = duration_s(report)
    return {
        "status": report.status.value,
        "headline": headline(report),
        **_present(engine=mock_note(report) or report.engine),
        "table": dg.MetadataValue.md(summary_table(report, links)),
        "problems": len(causes(report)),
        "tests_passed": counts.passed,
        "tests_failed": counts.failed + counts.errors,
        "tests_skipped": counts.skipped,
        "tests_collected_only": count_collected(report),
        **_present(duration_s=round(seconds, 3) if seconds is not None else None),
        **_judgement_metadata(report),
    }


def _judgement_metadata(report: Report) -> Metadata:
    """How many tests of each verdict, as numbers that plot, and the incidents as a table."""
    judgement = report.judgement
    if judgement is None:
        return {}
    counts = {f"tests_{verdict}": count for verdict, count in verdict_counts(judgement).items()}
    metadata: Metadata = {**counts, "incidents": len(judgement.incidents), "drifts": len(judgement.drifts)}
    if judgement.incidents:
        metadata["incident_table"] = dg.MetadataValue.md(incident_table(judgement, report.date))
    return metadata


def _metrics_metadata(outcome: ImageOutcome, records: NightRecords) -> Metadata:
    key = outcome.artifacts.get(METRICS_FILE.removesuffix(".json"))
    content = records.store.read(key) if key else None
    if not content:
        return {}
    metrics = BuildMetrics.model_validate_json(content)
    return {
        "steps": metrics.steps,
        "cached_steps": metrics.cached_steps,
        "emulated_steps": metrics.emulated_steps,
        "build_wall_s": metrics.wall_s,
        "slowest_steps": _steps_table(metrics),
        **_present(cache_hit_rate=metrics.hit_rate, pushed_bytes=metrics.pushed_bytes),
    }


def _steps_table(metrics: BuildMetrics) -> dg.TableMetadataValue:
    slowest = sorted(metrics.build_steps, key=lambda step: -step.duration_s)[:_SLOWEST_STEPS_SHOWN]
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"seconds": step.duration_s, "status": step.status, "step": step.name[:200]})
            for step in slowest
        ],
        # The longest column last: what goes over the edge of the page has to be scrolled to.
        schema=dg.TableSchema(
            [dg.TableColumn("seconds", "float"), dg.TableColumn("status"), dg.TableColumn("step")]
        ),
    )


def _failures_table(outcome: StageOutcome) -> dg.TableMetadataValue:
    shown = outcome.failures[:_MOST_FAILURES_SHOWN]
    return dg.MetadataValue.table(
        [dg.TableRecord({"test": failure.test, "message": failure.message[:500]}) for failure in shown],
        schema=dg.TableSchema([dg.TableColumn("test"), dg.TableColumn("message")]),
    )


def _locations(artifacts: Mapping[str, str], records: NightRecords) -> Metadata:
    return {f"{name}_file": place(records.store.location(key)) for name, key in artifacts.items()}


def _present(**values: Any) -> Metadata:
    return {name: value for name, value in values.items() if value is not None}


def place(location: str) -> dg.MetadataValue:
    """Where something is found: a link where it is an address a browser opens, else a path."""
    if location.startswith(("https://", "http://")):
        return dg.MetadataValue.url(location)
    return dg.MetadataValue.path(location)
