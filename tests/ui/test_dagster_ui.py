"""Dagster's own pages in a real browser: the graph is looked at, and a cell is materialized by clicking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from playwright.sync_api import Error as PageError

from tests.clock import days_ago, stay_in_one_day
from tests.e2e.conftest import A_MODULE_S, A_TEST_S, empty_registries, make_night, manifest
from tests.registries import ECR
from tests.servers import Servers, dagster_servers, wait_for
from tests.ui.looking import BUSY_MS, open_tab

pytestmark = [
    pytest.mark.ui,
    pytest.mark.e2e,
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(A_TEST_S),
]

ONE_CELL = {
    "architectures": {"arm64": None},
    "frameworks": {"vllm": {"overrides": None}},
    "stages": {"integration": None, "e2e_single_gpu": None, "e2e_multi_gpu": None},
}
GROUP = "/locations/nightly_pipeline/asset-groups/vllm_amd64"
CELL = {"framework_image", "runtime_image", "published_image", "unit_tests"}
ATTEMPTS, SETTLED_MS, DISPATCH_MS = 4, 1_500, 250
# A container's network that comes or goes makes Chromium drop what it has under way, from any address.
NOT_OURS = re.compile(r"ERR_NETWORK_CHANGED|WebSocket connection to")


class Person:
    """Somebody at the pages, who notes what the browser complains of."""

    def __init__(self, servers: Servers, tab: Page, screenshots: Path) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        self._servers = servers
        self._screenshots = screenshots
        tab.on("console", lambda one: self._note(one.text) if one.type == "error" else None)
        tab.on("pageerror", lambda error: self._note(str(error)))
        tab.route("**/*", _answer_past_the_browser)

    def leave(self) -> None:
        """Leave the page that shows, and forget what was wrong with it."""
        self.tab.goto("about:blank")
        self.complaints.clear()

    def _note(self, complaint: str) -> None:
        if not NOT_OURS.search(complaint):
            self.complaints.append(complaint)

    def visit(self, path: str, *, until: str) -> None:
        """Open a page and wait until a text shows; a page that lost a part on its way is opened again."""
        for attempt in range(ATTEMPTS):
            try:
                self.tab.goto(self._servers.url + path)
                self.shown(until).wait_for()
            except PageError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def shown(self, text: str) -> Locator:
        """The first place where exactly this text stands."""
        return self.tab.get_by_text(text, exact=True).first

    def keep(self, name: str) -> None:
        """Keep a picture of what shows, when nothing moves any more."""
        self.tab.wait_for_timeout(SETTLED_MS)
        self.tab.screenshot(path=self._screenshots / f"dagster-{name}.png")

    def materialize_tonight(self, path: str, *, until: str, button: str) -> dg.DagsterRun:
        """Click on a page's button, choose the newest night, launch; the run, when it has ended."""
        before = {run.run_id for run in self._servers.runs()}
        self.visit(path, until=until)
        self.tab.get_by_role("button", name=button).first.click()
        dialog = self.tab.get_by_role("dialog")
        dialog.get_by_role("button", name="Latest").click()
        expect(dialog.get_by_text(days_ago(0)).first).to_be_visible()
        dialog.get_by_role("button", name=re.compile("^Launch")).click()

        def new_runs() -> list[dg.DagsterRun]:
            self.tab.wait_for_timeout(DISPATCH_MS)  # what the page asks for goes through this process
            return [run for run in self._servers.runs() if run.run_id not in before]

        launched = wait_for("the run that was clicked for", new_runs)
        self.tab.goto("about:blank")  # nothing to look at until it has ended
        return self._servers.ended(launched[-1].run_id)


def _answer_past_the_browser(route: Route) -> None:
    """Whatever the page asks for is asked for by Playwright's own process, which minds no change of networks."""
    try:
        route.fulfill(response=route.fetch(timeout=ATTEMPTS * BUSY_MS))
    except PageError:  # the page was left
        with suppress(PageError):
            route.abort()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    stay_in_one_day(A_MODULE_S)
    night = make_night(tmp_path_factory.mktemp("night"), ("vllm",), ONE_CELL)
    with dagster_servers(night) as running:
        yield running
    empty_registries(night.folder)


@pytest.fixture(scope="module")
def window(browser: Browser, servers: Servers, screenshots: Path) -> Iterator[Person]:
    tab = open_tab(browser, viewport={"width": 1600, "height": 1000}, color_scheme="light")
    yield Person(servers, tab, screenshots)
    tab.unroute_all(behavior="ignoreErrors")
    tab.close()


@pytest.fixture
def person(window: Person) -> Person:
    window.leave()
    return window


@pytest.fixture(scope="module")
def clicked(window: Person) -> dict[str, dg.DagsterRun]:
    """One asset, then a whole cell, materialized by clicking."""
    return {
        "asset": window.materialize_tonight(
            "/assets/source_revision", until="source_revision", button="Materialize"
        ),
        "cell": window.materialize_tonight(GROUP, until="runtime_image", button="Materialize all"),
    }


def materialized(servers: Servers, run: dg.DagsterRun) -> dict[str, dg.AssetMaterialization]:
    """What a run materialized, by the last part of its key, as Dagster has it on record."""
    with servers.night.instance() as instance:
        records = instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ).records
    found = [record.event_log_entry.asset_materialization for record in records]
    return {one.asset_key.path[-1]: one for one in found if one}


def test_the_graph_shows_every_group(person: Person) -> None:
    person.visit("/asset-groups", until="vllm_amd64")
    graph = person.tab.locator("svg foreignObject")
    for group in ("night", "vllm_amd64", "vllm", "summary"):
        expect(graph.get_by_text(group, exact=True)).to_be_visible()
    person.keep("graph")
    assert person.complaints == []


def test_a_group_opens_into_its_cell(person: Person) -> None:
    person.visit("/asset-groups", until="vllm_amd64")
    person.tab.locator("svg foreignObject").get_by_text("vllm_amd64", exact=True).click()
    for asset in sorted(CELL):
        expect(person.tab.locator("svg foreignObject").get_by_text(asset, exact=True)).to_be_attached()
    person.keep("cell")
    assert person.complaints == []


def test_one_asset_is_materialized_by_clicking(servers: Servers, clicked: dict[str, dg.DagsterRun]) -> None:
    run = clicked["asset"]
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.tags["dagster/partition"] == days_ago(0)
    assert set(materialized(servers, run)) == {"source_revision"}


def test_a_cell_is_materialized_by_clicking(servers: Servers, clicked: dict[str, dg.DagsterRun]) -> None:
    run = clicked["cell"]
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.tags["dagster/partition"] == days_ago(0)
    events = materialized(servers, run)
    assert set(events) == CELL
    digest = events["runtime_image"].metadata["digest"].value
    found = manifest(ECR, servers.night.repository, "nightly-vllm-amd64")
    assert found is not None
    assert found[0] == digest


def test_the_images_page_shows_its_digest_tags_and_status(
    person: Person, servers: Servers, clicked: dict[str, dg.DagsterRun]
) -> None:
    metadata = materialized(servers, clicked["cell"])["runtime_image"].metadata
    digest, tags = str(metadata["digest"].value), str(metadata["tags"].value)
    person.visit("/assets/vllm/amd64/runtime_image", until=digest)
    assert digest.startswith("sha256:")
    assert f"nightly-vllm-amd64-run-{clicked['cell'].run_id[:8]}" in tags
    for text in (tags, "built", days_ago(0), "mock vllm 0.1.0", "slowest_steps"):
        expect(person.shown(text)).to_be_visible()
    person.keep("image")
    assert person.complaints == []


def test_the_checks_tab_shows_that_the_tests_passed(
    person: Person, servers: Servers, clicked: dict[str, dg.DagsterRun]
) -> None:
    passed = materialized(servers, clicked["cell"])["unit_tests"].metadata["passed"].value
    assert passed
    person.visit("/assets/vllm/amd64/unit_tests?view=checks", until="tests_pass")
    expect(person.shown(f"passed: {passed} passed; mock engine")).to_be_visible()
    expect(person.shown("Passed")).to_be_visible()
    person.keep("checks")
    assert person.complaints == []


def test_what_was_clicked_for_is_summarised_by_itself(
    person: Person, servers: Servers, clicked: dict[str, dg.DagsterRun]
) -> None:
    summary = servers.summary(clicked["cell"].run_id)
    assert summary.status is dg.DagsterRunStatus.SUCCESS
    assert servers.summaries(clicked["asset"].run_id) == []  # a commit alone is nothing to summarise
    person.visit("/assets/nightly_summary", until="green, partial run")
    expect(person.shown("vllm/amd64/unit")).to_be_visible()  # a large one is behind a click
    person.keep("summary")
    assert person.complaints == []


def test_the_runs_page_shows_every_step(person: Person, clicked: dict[str, dg.DagsterRun]) -> None:
    person.visit(f"/runs/{clicked['cell'].run_id}", until="Success")
    expect(person.shown("Succeeded (4)")).to_be_visible()
    person.keep("run")
    assert person.complaints == []
