"""A page runs and loads nothing but its own, whatever text a night brings along."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from lxml import html

from nightly_pipeline.model.links import Links
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.untrusted import one_line
from tests.factories import broken_night, failure, image, night, publication, stage
from tests.hostile import ATTACKS, hostile_text
from tests.unit.page.pages import page


def attributes(tree: html.HtmlElement) -> Counter[str]:
    return Counter(name for element in tree.iter() for name in element.attrib)


def test_the_page_needs_nothing_from_outside() -> None:
    tree = page(broken_night())

    assert not tree.xpath("//@src | //link | //iframe | //object | //embed | //form | //base")
    assert not re.search(r"url\(|@import", tree.findtext(".//style"))
    assert not [address for address in tree.xpath("//@href") if not address.startswith("#")]


def test_the_policy_allows_the_pages_own_style_and_script_and_no_other() -> None:
    tree = page(broken_night())
    [policy] = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")

    for kind, name in (("style", "style"), ("script", "script")):
        [element] = tree.xpath(f"//{name}")
        allowed = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{allowed}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


@settings(max_examples=80, deadline=None)
@given(hostile_text.filter(one_line), hostile_text.filter(str.strip))
def test_no_text_becomes_an_element(test: str, message: str) -> None:
    def report(test: str, message: str) -> Report:
        message = f"first line\n{message}"
        failing = stage(status="failed", failures=[failure(test, message)], message=message, runner=test)
        return night(
            [image(status="failed", message=message), image(kind="framework", tags=(test,), digest=test)],
            [failing, stage(stage="other", artifacts={test: test})],
            [publication(status="failed", message=message)],
            profile=test,
            source_revision=test,
            date=test,
        )

    shown, plain = page(report(test, message)), page(report("test", "message"))

    assert Counter(one.tag for one in shown.iter()) == Counter(one.tag for one in plain.iter())
    assert attributes(shown) == attributes(plain)
    assert one_line(test) in [one.text for one in shown.find_class("test")]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_address_of_ours_can_be_made_a_script(attack: str) -> None:
    hostile = Links(artifact=lambda _: "javascript:" + attack, run=lambda _: attack + "javascript:alert(1)")
    tree = page(night(stages=[stage()]), hostile)

    assert not [
        one for one in tree.xpath("//@href") if one.lower().lstrip().startswith(("javascript:", "data:"))
    ]
