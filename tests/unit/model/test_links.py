from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given

from nightly_pipeline.model.links import NO_LINKS, Links, links_from, safe_address, web_address
from tests.hostile import hostile_text


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:3000/runs/1f3a9c02",
        "https://example.com/a?b=c&d=e#f",
        "file:///home/a/report.html",
        "/home/a/b%20c/report.html",
        "../vllm/amd64/unit/junit.xml",
    ],
)
def test_addresses_of_documents_stay_as_they_are(address: str) -> None:
    assert safe_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "http://[broken",
        "",
        None,
    ],
)
def test_everything_else_is_no_link(address: str | None) -> None:
    assert safe_address(address) is None


@given(hostile_text)
def test_an_address_cannot_leave_an_attribute_a_link_or_a_line(text: str) -> None:
    address = safe_address("https://example.com/" + text)

    if address is not None:
        assert not set(address) & set('<>"|\\` \n\r\t')
        assert address.isascii()
        assert urlsplit(address).hostname == "example.com"


def test_only_the_web_is_a_web_address() -> None:
    assert web_address("https://example.com/x") == "https://example.com/x"
    assert web_address("/home/a/report.html") is None
    assert web_address("file:///home/a/report.html") is None


def test_without_links_nothing_has_an_address() -> None:
    assert NO_LINKS.artifact("any") is None
    assert NO_LINKS.run("any") is None
    assert NO_LINKS.page is None


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("/srv/nightly/artifacts/", "../../2026-11-20/1f3a/vllm/amd64/unit/junit.xml"),
        ("s3://bucket/prefix/", "../../2026-11-20/1f3a/vllm/amd64/unit/junit.xml"),
        ("https://store.example/", "https://store.example/2026-11-20/1f3a/vllm/amd64/unit/junit.xml"),
    ],
)
def test_a_kept_document_leads_from_its_own_place_to_what_has_no_address_of_the_web(
    location: str, address: str
) -> None:
    links = Links(artifact=lambda key: location + key, run=lambda run: f"http://dagster/{run}")
    beside = links_from(links, "2026-11-21/9b0c")

    assert beside.artifact("2026-11-20/1f3a/vllm/amd64/unit/junit.xml") == address
    assert beside.run("1f3a") == "http://dagster/1f3a"


def test_odd_names_of_artifacts_stay_names_in_relative_links() -> None:
    beside = links_from(NO_LINKS, "2026-11-20/1f3a")

    assert beside.artifact("2026-11-20/1f3a/a#b?c d/log") == "a%23b%3Fc%20d/log"
    assert safe_address(beside.artifact("2026-11-20/1f3a/a#b?c d/log")) == "a%23b%3Fc%20d/log"
    assert beside.artifact("2026-11-20/1f3a/javascript:x/log") == "javascript%3Ax/log"
