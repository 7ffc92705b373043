"""Where readers of a night's report can go on: addresses of its artifacts, its runs and its page."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from nightly_pipeline.model.links import Links, links_from, web_address
from nightly_pipeline.model.report import Report
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.overview import INDEX_PAGE
from nightly_pipeline.steps.ports import ArtifactStore
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.report import REPORT_PAGE

INDEX_FROM_A_NIGHT = f"../../{INDEX_PAGE}"
"""From `{date}/{run_id}/report.html`, wherever the artifacts are looked at."""


def address_of(settings: Settings, store: ArtifactStore, key: str) -> str:
    """Where a person finds an artifact: on the web server that shows them, else where the store has it."""
    served = settings.artifacts.address
    return f"{served.rstrip('/')}/{quote(key)}" if served else store.location(key)


def links_of(settings: Settings, records: NightRecords, report: Report) -> Links:
    """Where the store has them, which may be paths of this machine. A night has a page once it is over."""
    page = f"{report.date}/{report.run_id}/{REPORT_PAGE}"
    return Links(
        artifact=lambda key: address_of(settings, records.store, key),
        run=lambda run_id: f"{settings.dagster_url}/runs/{run_id}",
        page=None if report.running else address_of(settings, records.store, page),
    )


def shared_links(settings: Settings, records: NightRecords, report: Report) -> Links:
    """For what is read on other machines too (pull requests, Dagster's pages): no link is a path of this one."""
    links = links_of(settings, records, report)
    return replace(links, artifact=lambda key: web_address(links.artifact(key)))


def kept_links(settings: Settings, records: NightRecords, report: Report) -> Links:
    """For the documents that are kept in the run's folder of the store: they lead to what is beside them."""
    links = links_of(settings, records, report)
    index = web_address(address_of(settings, records.store, INDEX_PAGE))
    beside = links_from(links, f"{report.date}/{report.run_id}")
    return replace(beside, page=web_address(links.page) or REPORT_PAGE, nights=index or INDEX_FROM_A_NIGHT)
