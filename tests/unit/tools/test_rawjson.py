from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.tools import rawjson
from nightly_pipeline.tools.rawjson import Decoder, Event

SAMPLES = Path(__file__).parent / "data" / "rawjson"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.rawjson"))


def decode(text):
    decoder = Decoder()
    items = [item for line in text.splitlines() for item in decoder.feed(line)]
    return [*items, *decoder.finish()]


def sample(name):
    return (SAMPLES / f"{name}.rawjson").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_object_of_a_real_build_is_read(name):
    items = decode(sample(name))
    events = [item for item in items if isinstance(item, Event)]
    assert len(events) == sample(name).count("\n}\n")
    assert all(event.vertexes or event.statuses or event.logs for event in events)


def test_text_between_objects_is_kept():
    text = [item for item in decode(sample("failed")) if isinstance(item, str)]
    assert text[0] == "Dockerfile:15"
    assert "  11 |" not in text[0]
    assert text[-1].startswith("ERROR: failed to solve: process")


def test_output_and_errors_are_decoded():
    events = [item for item in decode(sample("failed")) if isinstance(item, Event)]
    output = b"".join(log.data for event in events for log in event.logs)
    assert b"about to fail\n" in output
    errors = [vertex.error for event in events for vertex in event.vertexes if vertex.error]
    assert errors[-1].endswith("did not complete successfully: exit code: 7")


def test_newer_buildx_writes_one_line_for_each_object():
    old = [item for item in decode(sample("uncached")) if isinstance(item, Event)]
    compact = "\n".join(json.dumps(event.model_dump(mode="json", exclude_defaults=True)) for event in old)
    assert len(decode(compact)) == len(old)
    assert all(isinstance(item, Event) for item in decode(compact))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_stream_may_end_anywhere(name, data):
    whole = sample(name)
    cut = data.draw(st.integers(0, len(whole)))
    items = decode(whole[:cut])
    read = [item for item in items if isinstance(item, Event)]
    assert read == [item for item in decode(whole) if isinstance(item, Event)][: len(read)]
    assert whole[:cut].count("\n}\n") in {len(read), len(read) - 1}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "}",
        "{}garbage",
        '{"vertexes": 7}',
        '{"vertexes": [{"name": "without a digest"}]}',
        "{\n[\n}",
        "[1]",
        "42",
    ],
)
def test_what_only_looks_like_an_object_is_text(text):
    assert decode(text) == text.splitlines()


def test_an_object_that_was_cut_does_not_swallow_the_next():
    items = decode('{\n  "vertexes": [\n{"statuses": []}\nend')
    assert items == ["{", '  "vertexes": [', Event(), "end"]


def test_an_object_without_end_is_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(rawjson, "MAX_OBJECT_CHARS", 1000)
    decoder = Decoder()
    list(decoder.feed("{"))
    given_back = [item for _ in range(300) for item in decoder.feed('  "more": 1,')]
    assert len(given_back) > 200


@given(st.lists(st.text(alphabet='{}[]" a:1,', max_size=12), max_size=20))
def test_no_line_is_lost(lines):
    decoder = Decoder()
    items = [item for line in lines for item in decoder.feed(line)] + list(decoder.finish())
    if not any(isinstance(item, Event) for item in items):
        assert items == lines
