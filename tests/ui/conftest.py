"""A real browser for the tests of the pages, and a place for what they saw."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.ui.looking import BUSY_MS

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of this machine; without one the tests are skipped, but never in CI."""
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        program = next(filter(None, map(shutil.which, (*BROWSERS, str(own)))), None)
        if program is None:
            say = pytest.fail if os.environ.get("CI") else pytest.skip
            say(f"no browser found; install one of {', '.join(BROWSERS)}")
        expect.set_options(timeout=BUSY_MS)
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"], timeout=3 * BUSY_MS
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder screenshots are kept in, for a person to look at: NIGHTLY_SCREENSHOTS, or below .nightly."""
    folder = Path(os.environ.get("NIGHTLY_SCREENSHOTS") or ROOT / ".nightly" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
