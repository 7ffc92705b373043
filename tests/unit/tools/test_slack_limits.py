from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.mrkdwn import MAX_BLOCKS, MAX_CHARACTERS, MAX_SECTION, characters, escape_mrkdwn
from nightly_pipeline.tools.slack_limits import fit_blocks, fit_text


def section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


blocks = st.lists(st.text(max_size=3500).map(section), max_size=80)


@given(blocks)
def test_whatever_comes_in_fits_slack(message):
    fitted = fit_blocks(message)
    assert len(fitted) <= MAX_BLOCKS
    assert characters(fitted) <= MAX_CHARACTERS


@given(blocks)
def test_every_block_is_there_or_counted(message):
    fitted = fit_blocks(message)
    if len(fitted) == len(message) and all(block["type"] == "section" for block in fitted):
        return
    note = fitted[-1]["elements"][0]["text"]
    assert int(note.split()[1]) + len(fitted) - 1 == len(message)


def test_what_fits_is_left_alone():
    message = [section("a"), {"type": "divider"}, section("b")]
    assert fit_blocks(message) == message


def test_one_block_too_many_is_counted_with_the_one_its_note_took_the_place_of():
    fitted = fit_blocks([section(str(number)) for number in range(MAX_BLOCKS + 1)])
    assert fitted[-2] == section(str(MAX_BLOCKS - 2))
    assert "2 more blocks" in fitted[-1]["elements"][0]["text"]


def test_a_block_that_is_too_large_alone_leaves_the_note():
    (note,) = fit_blocks([{"type": "rich_text", "elements": ["x" * MAX_CHARACTERS]}])
    assert "1 more block " in note["elements"][0]["text"]


def test_a_long_section_loses_whole_lines_and_says_how_many():
    (fitted,) = fit_blocks([section("\n".join(["<https://example.org|a link>"] * 200))])
    lines = fitted["text"]["text"].splitlines()
    assert len(fitted["text"]["text"]) <= MAX_SECTION
    assert set(lines[:-1]) == {"<https://example.org|a link>"}
    assert lines[-1] == f"… {200 - len(lines) + 1} more lines"


def test_a_single_endless_line_is_left_out_and_counted():
    (fitted,) = fit_blocks([section("x" * 10_000)])
    assert fitted["text"]["text"] == "… 1 more line"


def test_a_message_is_never_empty():
    assert fit_text("") == "(no text)"


def test_untrusted_text_makes_no_link_no_mention_and_leaves_no_code_span():
    hostile = "<!channel> <https://evil.example|click> `x` & \x1b[31m\u202egnp.exe"
    assert escape_mrkdwn(hostile) == (
        "&lt;!channel&gt; &lt;https://evil.example|click&gt; 'x' &amp; [31mgnp.exe"
    )


@given(st.text())
def test_escaped_text_has_no_control_left(text):
    escaped = escape_mrkdwn(text)
    assert not set(escaped) & set("<>`\x00\x1b\r")
    escaped.encode()
