"""Records: what was written down is found again, and what cannot be read counts as absent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.outcomes import ImageStatus, PublicationStatus
from nightly_pipeline.model.report import key_of
from nightly_pipeline.steps.records import OUTCOME_FILE, NightRecords
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from tests.factories import DATE, RUN_ID, STARTED, failure, image, plan, publication, stage
from tests.fakes.source import revision
from tests.fakes.store import MemoryStore

OUTCOMES = [
    image(),
    image(kind="framework"),
    image("sglang", "arm64", status="failed", message="no"),
    publication(),
    publication(arch=None),
    stage(),
    stage(stage="e2e_single_gpu", status="failed", failures=(failure(),)),
    stage(arch="arm64"),
]


@pytest.fixture(params=["memory", "folder"])
def records(request, tmp_path):
    return NightRecords(MemoryStore() if request.param == "memory" else LocalArtifactStore(tmp_path))


def memory() -> NightRecords:
    return NightRecords(MemoryStore())


def hours(number: int):
    return STARTED + timedelta(hours=number)


# --- outcomes


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: "/".join(key_of(outcome)))
def test_an_outcome_is_read_back_unchanged(records, outcome):
    records.write_outcome(outcome)

    assert records.outcome(DATE, RUN_ID, key_of(outcome)) == outcome
    assert records.outcomes(DATE, RUN_ID) == {key_of(outcome): outcome}


def test_all_outcomes_of_a_run_are_told_apart(records):
    for outcome in OUTCOMES:
        records.write_outcome(outcome)
    records.write_outcome(image(run_id="another-run", status="failed"))

    assert records.outcomes(DATE, RUN_ID) == {key_of(outcome): outcome for outcome in OUTCOMES}


def test_the_last_outcome_of_an_entry_counts(records):
    records.write_outcome(image(status="cancelled"))
    records.write_outcome(image(status="built"))

    assert records.outcome(DATE, RUN_ID, key_of(image())).status is ImageStatus.BUILT


def test_what_is_not_on_record_is_none(records):
    assert records.outcome(DATE, RUN_ID, key_of(image())) is None
    assert records.outcomes(DATE, RUN_ID) == {}
    assert records.run_ids(DATE) == []
    assert records.good_image(DATE, "vllm", "amd64", "runtime") is None
    assert records.published(DATE, "vllm", "amd64") is None


def test_every_entry_of_a_night_has_a_folder_of_its_own():
    folders = [memory().folder(DATE, RUN_ID, entry.key) for entry in plan().entries]

    assert len(set(folders)) == len(folders)
    assert not any(one != other and one.startswith(f"{other}/") for one in folders for other in folders)


@pytest.mark.parametrize(
    ("outcome", "folder"),
    [
        (image(kind="framework"), "vllm/amd64/framework_image"),
        (publication(), "vllm/amd64/published_image"),
        (publication(arch=None), "vllm/multi_arch/multi_arch_image"),
        (stage(stage="e2e_multi_gpu"), "vllm/amd64/e2e_multi_gpu"),
    ],
)
def test_where_things_are_is_a_contract(outcome, folder):
    assert memory().folder(DATE, RUN_ID, key_of(outcome)) == f"{DATE}/{RUN_ID}/{folder}"


# --- damaged records


def damaged(content: bytes) -> NightRecords:
    """Two records of one run, one of them replaced by this."""
    records = memory()
    records.write_outcome(image())
    records.write_outcome(stage())
    folder = records.folder(DATE, RUN_ID, key_of(stage()))
    records.store.write(f"{folder}/{OUTCOME_FILE}", content)
    return records


def whole() -> bytes:
    records = memory()
    records.write_outcome(stage())
    [content] = records.store.kept.values()
    return content


@given(cut=st.integers(0, len(whole()) - 2))
def test_a_record_that_was_cut_short_is_absent_and_takes_no_other_along(cut):
    records = damaged(whole()[:cut])

    assert records.outcome(DATE, RUN_ID, key_of(stage())) is None
    assert records.outcomes(DATE, RUN_ID) == {key_of(image()): image()}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["record", "status"]), inner),
    max_leaves=5,
)


@given(content=st.binary(max_size=40) | JSON.map(lambda value: repr(value).replace("'", '"').encode()))
def test_garbage_is_absent(content):
    assert damaged(content).outcomes(DATE, RUN_ID) == {key_of(image()): image()}


@pytest.mark.parametrize(
    "content",
    [
        b'{"record": "image"}',
        b'{"record": "picture", "status": "built"}',
        b'{"record": ["stage"]}',
        b'{"record": {"stage": 1}}',
        b"\x00" * 200,
        whole().replace(b'"passed"', b'"probably passed"', 1),
        whole().replace(b'"record": "stage"', b'"record": "image"'),
        whole().replace(b'"arch": "amd64",', b""),
    ],
)
def test_a_record_of_another_kind_or_version_is_absent(content):
    assert damaged(content).outcomes(DATE, RUN_ID) == {key_of(image()): image()}


def test_a_field_of_a_later_version_is_no_damage():
    later = whole().replace(b'"record"', b'"weather": "rain", "record"')

    assert damaged(later).outcomes(DATE, RUN_ID)[key_of(stage())] == stage()


def test_a_damaged_newer_image_leaves_the_older_one_to_be_found():
    records = memory()
    records.write_outcome(image(run_id="run-1", started_at=hours(0)))
    records.write_outcome(image(run_id="run-2", started_at=hours(1)))
    folder = records.folder(DATE, "run-2", key_of(image()))
    records.store.write(f"{folder}/{OUTCOME_FILE}", b"{")

    assert records.good_image(DATE, "vllm", "amd64", "runtime").run_id == "run-1"


# --- the image to use

RUNS = ["run-1", "run-2", "run-3", "run-4"]


@given(
    statuses=st.lists(st.sampled_from(ImageStatus), min_size=4, max_size=4),
    order=st.permutations(range(4)),
    prefer=st.lists(st.sampled_from([*RUNS, "run-0"]), max_size=3),
)
def test_a_preferred_runs_image_comes_first_then_the_newest(statuses, order, prefer):
    records = memory()
    for run_id, status, hour in zip(RUNS, statuses, order, strict=True):
        records.write_outcome(image(status=status.value, run_id=run_id, started_at=hours(hour)))

    found = records.good_image(DATE, "vllm", "amd64", "runtime", prefer=prefer)

    good = {run_id for run_id, status in zip(RUNS, statuses, strict=True) if status in {"built", "reused"}}
    preferred = [run_id for run_id in prefer if run_id in good]
    newest = max(good, key=lambda run_id: order[RUNS.index(run_id)], default=None)
    assert (found and found.run_id) == (preferred[0] if preferred else newest)


def test_an_image_without_a_digest_is_of_no_use():
    records = memory()
    records.write_outcome(image(digest=None))

    assert records.good_image(DATE, "vllm", "amd64", "runtime") is None


@pytest.mark.parametrize(
    "other", [image("sglang"), image(arch="arm64"), image(kind="framework"), image(date="2026-11-21")]
)
def test_an_image_of_something_else_is_not_taken(other):
    records = memory()
    records.write_outcome(other)

    assert records.good_image(DATE, "vllm", "amd64", "runtime") is None


@given(
    statuses=st.lists(st.sampled_from(PublicationStatus), min_size=4, max_size=4),
    order=st.permutations(range(4)),
    prefer=st.lists(st.sampled_from(RUNS), max_size=2),
)
def test_the_same_holds_for_publications(statuses, order, prefer):
    records = memory()
    for run_id, status, hour in zip(RUNS, statuses, order, strict=True):
        records.write_outcome(publication(status=status.value, run_id=run_id, started_at=hours(hour)))

    found = records.published(DATE, "vllm", "amd64", prefer=prefer)

    good = {run_id for run_id, status in zip(RUNS, statuses, strict=True) if status == "published"}
    preferred = [run_id for run_id in prefer if run_id in good]
    newest = max(good, key=lambda run_id: order[RUNS.index(run_id)], default=None)
    assert (found and found.run_id) == (preferred[0] if preferred else newest)


# --- later nights

NIGHTS = ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"]


@given(
    statuses=st.lists(st.sampled_from([None, *ImageStatus]), min_size=4, max_size=4),
    asked=st.sampled_from(NIGHTS),
)
def test_a_newer_night_is_a_later_one_with_a_good_result(statuses, asked):
    records = memory()
    for date, status in zip(NIGHTS, statuses, strict=True):
        if status is not None:
            records.write_outcome(image(status=status.value, date=date))

    good = [date for date, status in zip(NIGHTS, statuses, strict=True) if status in {"built", "reused"}]
    later = [date for date in good if date > asked]
    assert records.newer_night(asked, key_of(image())) == (later[0] if later else None)


def test_a_later_night_of_something_else_is_not_newer(records):
    records.write_outcome(image("sglang", date="2026-11-21"))
    records.write_outcome(publication(date="2026-11-21"))

    assert records.newer_night(DATE, key_of(image())) is None
    assert records.newer_night(DATE, key_of(publication())) == "2026-11-21"


# --- revisions, texts, files


def test_a_revision_is_read_back_unchanged(records):
    records.write_revision(DATE, RUN_ID, revision(dirty=True))

    assert records.revision(DATE, RUN_ID) == revision(dirty=True)
    assert records.revision(DATE, "another-run") is None
    assert records.run_ids(DATE) == [RUN_ID]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"commit": "abc"}'])
def test_a_damaged_revision_is_an_error_and_not_absent(content):
    records = memory()
    records.store.write(f"{DATE}/{RUN_ID}/source.json", content)

    with pytest.raises(RecordError, match=RUN_ID):
        records.revision(DATE, RUN_ID)


def test_the_digests_of_the_bases_are_on_record(records):
    pinned = {"base:1": "sha256:" + "ab" * 32}
    records.write_bases(DATE, RUN_ID, pinned)

    assert records.bases(DATE, RUN_ID) == pinned
    assert records.bases(DATE, "another-run") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"base:1": 5}'])
def test_damaged_digests_of_bases_are_absent(content):
    records = memory()
    records.store.write(f"{DATE}/{RUN_ID}/bases.json", content)

    assert records.bases(DATE, RUN_ID) is None


def test_why_there_is_no_revision_is_on_record(records):
    assert records.source_problem(DATE, RUN_ID) is None
    records.write_source_problem(DATE, RUN_ID, "no branch `mian` \udcff")

    assert records.source_problem(DATE, RUN_ID) == "no branch `mian` \\udcff"


def test_texts_and_files_are_kept_beside_the_outcome(records, tmp_path):
    log = tmp_path / "build.log"
    log.write_text("lines")

    text_key = records.write_text(DATE, RUN_ID, key_of(image()), "metrics.json", "{}")
    file_key = records.keep_file(DATE, RUN_ID, key_of(image()), log)

    folder = records.folder(DATE, RUN_ID, key_of(image()))
    assert (text_key, file_key) == (f"{folder}/metrics.json", f"{folder}/build.log")
    assert (records.store.read(text_key), records.store.read(file_key)) == (b"{}", b"lines")


def test_only_what_lies_in_a_runs_folder_makes_a_run(records):
    records.write_outcome(image(run_id="run-2"))
    records.write_revision(DATE, "run-1", revision())
    records.store.write(f"{DATE}/notes.txt", b"")

    assert records.run_ids(DATE) == ["run-1", "run-2"]
