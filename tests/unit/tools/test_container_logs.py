from __future__ import annotations

import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.tools.container_logs import FrameDecoder, GuardedSink, LineLog, LogLimits

STDOUT, STDERR = 1, 2
ROOMY = LogLimits()


def frame(stream: int, content: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(content)) + content


def lines_of(*parts: bytes, limits: LogLimits = ROOMY) -> list[str]:
    lines: list[str] = []
    log = LineLog(lines.append, limits)
    for part in parts:
        log.feed(STDOUT, part)
    log.finish()
    return lines


@given(st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=50))), st.integers(1, 40))
def test_frames_are_the_same_however_they_are_cut(frames, size):
    stream = b"".join(frame(*one) for one in frames)
    decoder = FrameDecoder()
    parts = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert [one for part in parts for one in decoder.feed(part)] == frames


@given(st.text(alphabet=st.characters(blacklist_characters="\r", codec="utf-8")), st.integers(1, 10))
def test_lines_are_the_same_however_they_are_cut(text, size):
    content = text.encode()
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    expected = text.split("\n")
    if not expected[-1]:
        expected.pop()
    assert lines_of(*parts) == expected


def test_the_streams_keep_their_lines_apart():
    lines: list[str] = []
    log = LineLog(lines.append, ROOMY)
    for stream, part in [(STDOUT, b"out "), (STDERR, b"err "), (STDOUT, b"1\n"), (STDERR, b"2\n")]:
        log.feed(stream, part)
    assert lines == ["out 1", "err 2"]


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r50%\r100%\n", ["100%"]),
        (b"10%\r50%\r100%\r\n", ["100%"]),
        (b"10%\r50%\r", ["50%"]),
        (b"\n\n", ["", ""]),
        (b"", []),
        (b"\r\n", [""]),
        (b"caf\xc3\xa9 \xff\n", ["café \ufffd"]),
        (b"\x1b[31mred\x1b[0m\n", ["\x1b[31mred\x1b[0m"]),
    ],
)
def test_lines_are_what_a_terminal_would_leave(output, lines):
    assert lines_of(output) == lines
    assert lines_of(*(output[i : i + 1] for i in range(len(output)))) == lines


def test_a_progress_bar_of_hours_takes_no_memory():
    log = LineLog(lambda _line: None, ROOMY)
    for number in range(10_000):
        log.feed(STDOUT, b"%d%%\r" % number)
    assert len(log._lines[STDOUT]._kept) < 100
    assert log.total_bytes > 50_000


def test_a_long_line_is_cut_and_says_by_how_much():
    limits = LogLimits(line_bytes=10)
    assert lines_of(b"x" * 25 + b"\nnext\n", limits=limits) == ["x" * 10 + " [15 more bytes]", "next"]
    assert lines_of(*[b"x"] * 25, b"\nnext\n", limits=limits) == ["x" * 10 + " [15 more bytes]", "next"]


def test_beyond_the_head_only_the_end_is_kept_and_the_cut_is_said_where_it_is():
    limits = LogLimits(head_bytes=20, tail_bytes=10)
    lines = lines_of(b"".join(b"line%d\n" % number for number in range(9)), limits=limits)
    assert lines == [
        "line0",
        "line1",
        "line2",
        "line3",
        "[nightly] 24 bytes of output were left out here",
        "line8",
    ]


def test_output_of_exactly_the_head_says_nothing_of_a_cut():
    assert lines_of(b"line0\nline1\n", limits=LogLimits(head_bytes=12, tail_bytes=0)) == ["line0", "line1"]


@given(st.lists(st.binary(max_size=30), max_size=60))
def test_every_byte_is_counted(parts):
    log = LineLog(lambda _line: None, LogLimits(head_bytes=50, tail_bytes=20, line_bytes=7))
    for part in parts:
        log.feed(STDOUT, part)
    assert log.total_bytes == sum(map(len, parts))


def test_a_sink_that_fails_is_not_called_again(caplog):
    calls: list[str] = []

    def fail(line: str) -> None:
        calls.append(line)
        raise RuntimeError("the disk is full")

    sink = GuardedSink(fail)
    sink("one")
    sink("two")
    assert calls == ["one"]
    assert "goes on without it" in caplog.text


def test_lines_from_several_threads_come_one_at_a_time():
    inside = 0
    most = 0

    def slow(_line: str) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.001)
        inside -= 1

    sink = GuardedSink(slow)
    threads = [threading.Thread(target=lambda: [sink("x") for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
