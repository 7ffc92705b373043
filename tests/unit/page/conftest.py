"""What tests of the page of a night with a past ask for: that page, made once for a module."""

from __future__ import annotations

import pytest
from lxml import html

from nightly_pipeline.model.trends import trends_of
from tests.judged import judged_night, past
from tests.unit.page.judged_pages import page


@pytest.fixture(scope="module")
def tree() -> html.HtmlElement:
    report = judged_night()
    return page(report, trends_of(report, *past()))
