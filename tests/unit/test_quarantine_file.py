from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from nightly_pipeline.errors import SettingsError, UsageError
from nightly_pipeline.quarantine_file import add_entry, expire_entry, new_entry, read_quarantine

TEXT = """\
# ours
- test: a.py::test_a   # seen on Tuesdays
  owner: "@kv"
  reason: races
  issue: '#217'
  since: 2026-11-01
  expires: "2026-11-30"  # then we look again

# theirs
- {test: b.py::test_b, owner: x, reason: y, issue: KV-1, since: 2026-11-02, expires: 2026-12-01, cells: [vllm/amd64]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "quarantine.yaml"
    path.write_text(TEXT)
    return path


def entries(path: Path):
    return read_quarantine(path, leave_after_nights=3).entries


def entry(**fields):
    given = {"test": "c.py::test_c", "owner": "@c", "reason": "a: b", "issue": "https://x.example/1"}
    dates = {"since": date(2026, 11, 3), "expires": date(2026, 11, 9)}
    return new_entry(**{**given, **dates, **fields})


def test_a_file_is_read_as_it_is_written(file):
    first, second = entries(file)
    assert (first.test, first.expires, first.cells) == ("a.py::test_a", date(2026, 11, 30), ())
    assert (second.issue, second.cells) == ("KV-1", ("vllm/amd64",))


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[]\n"])
def test_an_empty_file_and_none_are_an_empty_quarantine(file, text):
    file.write_text(text)
    assert entries(file) == ()
    file.unlink()
    assert entries(file) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: b", ["must be a list", "- test:"]),
        ("- [", ["not valid YAML"]),
        ("- test: a::b\n  test: c::d", ["there twice"]),
        ("- tset: a::b", ["entry 1.test: is needed; perhaps it is 'tset'", "perhaps you meant 'test'"]),
        (TEXT.replace("2026-11-30", "soon"), ["entry 1 (a.py::test_a).expires", "date", "given: 'soon'"]),
        (TEXT.replace("2026-11-30", "2026-10-01"), ["entry 1 (a.py::test_a)", "is before since"]),
        (TEXT.replace("[vllm/amd64]", "[vllm]"), ["entry 2 (b.py::test_b).cells.0"]),
        (TEXT.replace('"2026-11-30"', "2026-13-04"), ["expires: must be a date, YYYY-MM-DD"]),
        (TEXT.replace('"2026-11-30"', "20261130"), ["expires: must be a date, YYYY-MM-DD", "20261130"]),
        (TEXT.replace('"2026-11-30"', "2026-11-30 10:00:00"), ["expires: must be a date"]),
        (TEXT.replace("'#217'", "#217"), ["issue: must be text, in quotes", "comment"]),
        (TEXT.replace("'#217'", "217"), ["issue: must be text, in quotes", "given: 217"]),
        (TEXT.replace('"@kv"', "'  '"), ["entry 1 (a.py::test_a).owner", "at least 1 character"]),
        (TEXT.replace("reason: races", "reasons: races"), ["reason: is needed; perhaps it is 'reasons'"]),
        (TEXT.replace("a.py::test_a", "'*::test_*'"), ["would hide a whole night"]),
        ("- just text", ["entry 1", "dictionary"]),
    ],
)
def test_a_mistake_is_named_with_its_entry_and_field(file, text, words):
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        entries(file)
    assert refused.value.exit_code == 2
    assert all(word in refused.value.message for word in ["'quarantine.yaml'", *words]), refused.value.message


def test_a_file_that_is_no_text_is_refused(file):
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        entries(file)


def test_an_entry_is_added_at_the_end_and_all_else_stays(file):
    add_entry(file, entry(cells=("sglang/amd64",)))
    assert file.read_text().startswith(TEXT.rstrip())
    assert entries(file)[-1] == entry(cells=("sglang/amd64",))


def test_the_first_entry_makes_the_file(tmp_path):
    add_entry(tmp_path / "new" / "q.yaml", entry())
    assert entries(tmp_path / "new" / "q.yaml") == (entry(),)
    assert (tmp_path / "new" / "q.yaml").read_text().startswith("#")


def test_an_indented_list_stays_one(file):
    file.write_text("".join(f"  {line}\n" for line in TEXT.splitlines()))
    add_entry(file, entry())
    assert len(entries(file)) == 3


def test_the_same_test_is_not_added_twice_for_a_cell(file):
    with pytest.raises(UsageError, match="already, until 2026-11-30"):
        add_entry(file, entry(test="a.py::test_a"))
    add_entry(file, entry(test="b.py::test_b", cells=("vllm/arm64",)))
    with pytest.raises(UsageError, match="already"):
        add_entry(file, entry(test="b.py::test_b"))


def test_ending_an_entry_changes_its_date_and_nothing_else(file):
    ended = expire_entry(file, "a.py::test_a", date(2026, 11, 20))
    assert ended.expires == date(2026, 11, 20)
    assert file.read_text() == TEXT.replace('"2026-11-30"', "2026-11-20")
    expire_entry(file, "b.py::test_b", date(2026, 11, 20))
    assert "expires: 2026-11-20, cells" in file.read_text()


def test_an_entry_may_be_ended_on_its_first_day(file):
    assert not expire_entry(file, "b.py::test_b", date(2026, 11, 1)).covers("2026-11-02")


def test_an_entry_that_is_not_there_is_an_error_with_the_nearest(file):
    with pytest.raises(UsageError, match=r"perhaps you meant 'a\.py::test_a'"):
        expire_entry(file, "a.py::test_aa", date(2026, 11, 20))


def test_of_several_entries_of_one_test_none_is_guessed(file):
    add_entry(file, entry(test="b.py::test_b", cells=("vllm/arm64",), expires=date(2026, 12, 9)))
    with pytest.raises(UsageError, match="2 entries"):
        expire_entry(file, "b.py::test_b", date(2026, 11, 20))


def test_an_entry_that_is_over_stays_over(file):
    """To end it again would make it count for the nights between: those that were judged without it."""
    with pytest.raises(UsageError, match="counts already, since 2026-12-01"):
        expire_entry(file, "a.py::test_a", date(2026, 12, 20))
    assert file.read_text() == TEXT


def test_a_test_may_come_in_anew_when_its_entry_is_over(file):
    again = entry(test="a.py::test_a", since=date(2026, 12, 1), expires=date(2026, 12, 8))
    add_entry(file, again)
    assert entries(file)[2] == again
    assert expire_entry(file, "a.py::test_a", date(2026, 12, 3)).since == date(2026, 12, 1)
    assert entries(file)[0].expires == date(2026, 11, 30)


def test_an_entry_that_has_not_begun_is_not_ended_but_taken_out(file):
    with pytest.raises(UsageError, match="counts until 2026-11-02") as refused:
        expire_entry(file, "b.py::test_b", date(2026, 10, 20))
    assert "Take the entry out" in refused.value.next_step


def test_an_entry_written_twice_is_not_guessed_at(file):
    file.write_text(TEXT + TEXT.partition("# theirs")[0])
    assert len(entries(file)) == 3
    with pytest.raises(UsageError, match="2 entries"):
        expire_entry(file, "a.py::test_a", date(2026, 11, 20))


@pytest.mark.parametrize("start", ["[]\n", "# ours\n[]\n", "[ ]  # none yet\n"])
def test_an_empty_list_takes_its_first_entry(file, start):
    file.write_text(start)
    add_entry(file, entry())
    assert entries(file) == (entry(),)
    assert ("#" in start) == ("# ours" in file.read_text() or "# none yet" in file.read_text())


ANCHORED = """\
- &a {test: a::a, owner: o, reason: r, issue: '#1', since: 2026-11-01, expires: &end 2026-12-01}
- {<<: *a, test: b::b}
- {test: c::c, owner: o, reason: r, issue: '#1', since: 2026-11-01, expires: *end}
"""


@pytest.mark.parametrize("test", ["a::a", "b::b", "c::c"])
def test_an_edit_that_would_change_another_entry_is_refused(file, test):
    file.write_text(ANCHORED)
    with pytest.raises(UsageError, match="anchors"):
        expire_entry(file, test, date(2026, 11, 20))
    assert file.read_text() == ANCHORED


def test_a_list_in_brackets_is_edited_by_hand(file):
    file.write_text(
        "[{test: a::a, owner: o, reason: r, issue: '#1', since: 2026-11-01, expires: 2026-12-01}]\n"
    )
    before = file.read_text()
    with pytest.raises(UsageError, match="brackets"):
        add_entry(file, entry())
    assert file.read_text() == before
    expire_entry(file, "a::a", date(2026, 11, 20))
    assert entries(file)[0].expires == date(2026, 11, 20)


def test_ends_of_lines_stay_what_they_are(file):
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    add_entry(file, entry())
    expire_entry(file, "a.py::test_a", date(2026, 11, 20))
    content = file.read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") > TEXT.count("\n")
    assert b"# then we look again" in content


def test_a_link_stays_one_and_rights_stay(file, tmp_path):
    file.chmod(0o664)
    link = tmp_path / "link" / "q.yaml"
    link.parent.mkdir()
    link.symlink_to(file)
    add_entry(link, entry())
    assert link.is_symlink()
    assert len(entries(file)) == 3
    assert file.stat().st_mode & 0o777 == 0o664


def test_of_entries_that_come_in_at_once_none_is_lost(file):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: add_entry(file, entry(test=f"c.py::test_{at}")), range(24)))
    assert len(entries(file)) == 2 + 24
    assert [path.name for path in file.parent.iterdir()] == ["quarantine.yaml"]


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written to"):
        add_entry(tmp_path / "file" / "q.yaml", entry())


def test_an_entry_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="issue: where it is followed"):
        entry(issue="later")


def test_a_file_that_is_wrong_already_is_not_written_to(file):
    file.write_text("- test: a")
    with pytest.raises(SettingsError):
        add_entry(file, entry())
    assert file.read_text() == "- test: a"
