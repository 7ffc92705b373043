#!/usr/bin/env python3
"""Takes the pictures of README and docs: of a finished night, and of the sample of a red one that the tests use.

    NIGHTLY_HOME=/srv/nightly/.nightly docs/images/make.py [DATE]

DATE is a night on record there, today's by default. A webserver is started for as long as it takes. Needs the
development tools (make test installs them) and Chromium. The first night of the pictures is DATE: else every night
since go-live that never ran would colour the graph.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = ROOT / ".venv" / "bin"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MOST_BYTES = 400_000
START_S, END_S = 90, 20
PATIENCE_MS, SETTLED_MS = 60_000, 2_000


def main() -> None:
    """Take all pictures."""
    date = sys.argv[1] if len(sys.argv) > 1 else datetime.now(UTC).date().isoformat()
    report = json.loads(nightly("report", "--date", date, "--format", "json"))
    image = next(row for row in report["images"] if row["kind"] == "runtime")
    with webserver(date) as address, browser() as chromium:
        take_graph(chromium, address)
        take_cell(chromium, address, image)
        take_asset(chromium, address, image)
        take_report(chromium, date)
        take_sample(chromium)
    for picture in sorted(HERE.glob("*.png")):
        size = picture.stat().st_size
        sys.stdout.write(f"{picture.relative_to(ROOT)}: {size / 1000:.0f} kB\n")
        if size > MOST_BYTES:
            sys.exit(f"{picture.name} is larger than {MOST_BYTES / 1000:.0f} kB")


def take_graph(chromium: Browser, address: str) -> None:
    """The graph of the whole night, one node a cell, when every cell shows its state."""
    tab = open_page(chromium, f"{address}/asset-groups", width=1440, height=900)
    hide_panels(tab)
    nodes = tab.locator("svg foreignObject")
    expect(nodes.get_by_text("summary", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(tab.get_by_text("fetching statuses")).to_have_count(0, timeout=PATIENCE_MS)
    keep(tab, "graph")


def take_cell(chromium: Browser, address: str, image: Mapping[str, str]) -> None:
    """What one cell is made of."""
    group = f"{image['framework']}_{image['arch']}"
    path = f"{address}/locations/nightly_pipeline/asset-groups/{group}"
    tab = open_page(chromium, path, width=1440, height=1130)
    hide_panels(tab)
    nodes = tab.locator("svg foreignObject")
    expect(nodes.get_by_text("1 / 1 Passed").first).to_be_visible(timeout=PATIENCE_MS)
    keep(tab, "cell")


def take_asset(chromium: Browser, address: str, image: Mapping[str, str]) -> None:
    """The page of a runtime image, with its digest and where the time of its build went."""
    path = f"{address}/assets/{image['framework']}/{image['arch']}/runtime_image"
    tab = open_page(chromium, path, width=1720, height=1300)
    hide_panels(tab)
    expect(tab.get_by_text(image["digest"], exact=True)).to_be_visible(timeout=PATIENCE_MS)
    keep(tab, "asset")


def open_page(chromium: Browser, address: str, *, width: int, height: int) -> Page:
    """A page as it is on a desk, fine enough to be shown at half its size."""
    size = {"width": width, "height": height}
    tab = chromium.new_page(viewport=size, device_scale_factor=1.5, color_scheme="light")
    tab.goto(address)
    return tab


def hide_panels(tab: Page) -> None:
    """Put away what stands beside the content, and let the content take the room."""
    tab.get_by_text("Hide navigation").click()
    tab.wait_for_timeout(SETTLED_MS)
    tree = tab.locator("button:has([aria-label='panel_show_right'])").filter(has_not_text="navigation")
    if tree.count():
        tree.first.click()
    tab.reload()


def take_report(chromium: Browser, date: str) -> None:
    """The top of the night's page, as it is on a desk."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(nightly("report", "--date", date, "--format", "html"), encoding="utf-8")
        tab = open_page(chromium, page.as_uri(), width=1240, height=900)
        keep(tab, "report")


def take_sample(chromium: Browser) -> None:
    """A red night with a month behind it, and the list of nights: of the sample that the tests use."""
    with tempfile.TemporaryDirectory() as folder:
        for name, html in sample_pages().items():
            page = Path(folder) / f"{name}.html"
            page.write_text(html, encoding="utf-8")
            keep(open_page(chromium, page.as_uri(), width=1240, height=880), name)
            if name == "incidents":
                tab = open_page(chromium, page.as_uri(), width=1240, height=620)
                tab.evaluate("document.getElementById('trends').scrollIntoView()")
                keep(tab, "trends")


def sample_pages() -> dict[str, str]:
    """Picture -> page."""
    sys.path.insert(0, str(ROOT))
    from nightly_pipeline.model.night_rows import entry_rows_of, night_row_of  # noqa: PLC0415
    from nightly_pipeline.model.overview import overview_of  # noqa: PLC0415
    from nightly_pipeline.model.trends import trends_of  # noqa: PLC0415
    from nightly_pipeline.page import render_index, render_page  # noqa: PLC0415
    from tests.judged import judged_night, past  # noqa: PLC0415

    report, (nights, entries), now = judged_night(), past(), datetime.now(UTC)
    overview = overview_of([*nights, night_row_of(report)], [*entries, *entry_rows_of(report)])
    kept = {line.date: f"{line.date}/{line.run_id}/report.html" for line in overview.nights[:7]}
    return {
        "incidents": render_page(report, generated_at=now, trends=trends_of(report, nights, entries)),
        "nights": render_index(overview, pages=kept, generated_at=now),
    }


def keep(tab: Page, name: str) -> None:
    """Write the picture, when nothing moves any more."""
    tab.wait_for_timeout(SETTLED_MS)
    tab.screenshot(path=HERE / f"{name}.png")
    tab.close()


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium of this machine."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@contextmanager
def webserver(date: str) -> Iterator[str]:
    """Dagster's pages over the night's records; their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(  # noqa: S603 - our own program
        [BIN / "dagster-webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(dagster_home()), "NIGHTLY_GO_LIVE": date},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_page(f"{address}/server_info")
        yield address
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def dagster_home() -> Path:
    """Where Dagster's records of NIGHTLY_HOME are; the project's root where it is not set."""
    home = os.environ.get("NIGHTLY_HOME")
    return Path(home).absolute() / "dagster_home" if home else ROOT


def wait_for_page(address: str) -> None:
    """Wait until the webserver answers."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own
            return
        time.sleep(1)
    sys.exit(f"no page at {address} within {START_S} s")


def nightly(*arguments: str) -> str:
    """What the command prints."""
    return subprocess.run(  # noqa: S603 - our own program
        [BIN / "nightly", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


if __name__ == "__main__":
    main()
