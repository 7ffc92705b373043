from __future__ import annotations

import pytest

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.bisect_ends import NightImage, images_between, night_ends
from nightly_pipeline.model.history import EntryRow
from tests.unit.model.pasts import TEST, day, drawn, nights


@pytest.mark.parametrize(
    ("signs", "good", "bad"),
    [
        ("..FF", 1, 2),
        (".F.FF", 2, 3),
        (".-FsF", 0, 2),  # what did not run lies between, and is searched
        (".FF..", 0, 1),  # fixed since: the newest row of bad ones
        ("..xFF", 1, 3),  # bad or good by chance: no end to stand on
    ],
)
def test_a_search_lies_between_the_last_good_night_and_the_first_bad_one(signs, good, bad):
    assert night_ends(TEST, nights(list(drawn(signs)))) == (day(good), day(bad))


@pytest.mark.parametrize(
    ("signs", "said", "next_step"),
    [
        ("...", "never bad", "--bad"),
        ("FF", "the first night on record", "--good"),
        ("..x.", "bad by chance alone", "A flake has no first bad commit"),
        ("ss", "never bad", "--good"),
    ],
)
def test_where_there_is_no_such_night_it_is_said_and_what_to_do(signs, said, next_step):
    with pytest.raises(RecordError, match=said) as raised:
        night_ends(TEST, nights(list(drawn(signs))))
    assert next_step in raised.value.next_step


def image(number: int, **fields) -> EntryRow:
    shown = {
        "date": day(number),
        "run_id": f"run-{number}",
        "framework": TEST.framework,
        "arch": TEST.arch,
        "name": "runtime_image",
        "status": "built",
        "good": True,
        "digest": f"sha256:{number}",
        "source_revision": f"c{number}",
        "engine_kind": "mock",
    }
    return EntryRow(**(shown | fields))


def between(*entries: EntryRow, last: int = 3) -> dict[str, NightImage]:
    return images_between(entries, TEST, day(0), day(last), engine_kind="mock")


def test_every_night_with_an_image_of_the_cell_is_asked():
    others = [image(1, arch="arm64"), image(2, name="unit"), image(2, good=False), image(2, digest=None)]
    found = between(image(0), image(3), *others, image(2, engine_kind="real"), image(4))
    assert list(found) == [day(0), day(3)]


def test_an_image_built_from_more_than_its_commit_is_known_as_such():
    found = between(image(0), image(3, source_revision="c3-dirty-ab12"))
    assert [(one.revision, one.dirty) for one in found.values()] == [("c0", False), ("c3", True)]


def test_an_end_that_never_had_an_image_is_said():
    with pytest.raises(RecordError, match=f"no image of vllm amd64 of the night of {day(3)}") as raised:
        between(image(0))
    assert "--bad" in raised.value.next_step
