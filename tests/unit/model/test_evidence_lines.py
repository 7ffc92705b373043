"""Lines are read in bounded memory."""

from __future__ import annotations

import io

from nightly_pipeline.model import evidence_lines
from nightly_pipeline.model.evidence import bounded_lines


def test_lines_come_as_they_are():
    assert list(bounded_lines(io.BytesIO(b"one\n\ntwo\ncut"))) == [b"one\n", b"\n", b"two\n", b"cut"]


def test_a_line_that_is_too_long_is_dropped_whole(monkeypatch):
    monkeypatch.setattr(evidence_lines, "LINE_LIMIT", 10)
    stream = io.BytesIO(b"short\n" + b"x" * 25 + b'{"event":"finish"}\n' + b"after\n")

    assert list(bounded_lines(stream)) == [b"short\n", b"", b"after\n"]


def test_a_line_of_exactly_the_limit_is_kept(monkeypatch):
    monkeypatch.setattr(evidence_lines, "LINE_LIMIT", 10)

    assert list(bounded_lines(io.BytesIO(b"123456789\nrest\n"))) == [b"123456789\n", b"rest\n"]


def test_an_endless_last_line_ends(monkeypatch):
    monkeypatch.setattr(evidence_lines, "LINE_LIMIT", 10)

    assert list(bounded_lines(io.BytesIO(b"x" * 35))) == [b""]
