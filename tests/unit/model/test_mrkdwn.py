from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.mrkdwn import fit_lines, more_text

lines_of_text = st.lists(st.text(alphabet="ab<>", max_size=30), max_size=40)


@given(lines_of_text, st.integers(min_value=20, max_value=300))
def test_lines_fit_and_every_one_is_there_whole_or_counted(lines, limit):
    fitted = fit_lines(lines, limit)
    assert len(fitted) <= limit
    if fitted == "\n".join(lines):
        return
    *kept, note = fitted.split("\n")
    assert kept == lines[: len(kept)]
    assert note == more_text(len(lines) - len(kept), "line")


def test_lines_that_just_fit_are_left_alone():
    assert fit_lines(["ab", "cd"], 5) == "ab\ncd"


def test_what_is_left_out_is_counted_as_people_write_it():
    assert fit_lines(["x" * 20] * 1300, 40) == "x" * 20 + "\n… 1,299 more lines"
    assert more_text(1, "failing test") == "… 1 more failing test"
