"""Retention: what must never go, whatever the registry holds; what goes, and in which order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.retention import BATCH, Lifetime, RetentionPlan, Stored, plan_retention

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
TODAY = NOW.date()
MONTH = Lifetime(days=30)


def name(label: str) -> str:
    return f"sha256:{label.encode().hex():0<64}"


def image(
    label: str, age: int | None = 100, *tags: str, children=(), framework: str = "vllm", **fields
) -> Stored:
    """An image of a night `age` days ago, under a run tag and these tags."""
    run = f"nightly-{framework}-amd64-run-{label.encode().hex()[:8]:0<8}"
    return Stored(
        digest=name(label),
        tags=(run, *tags),
        children=tuple(map(name, children)),
        runs={run: framework},
        night=None if age is None else TODAY - timedelta(days=age),
        **fields,
    )


def child(label: str, *children: str, **fields) -> Stored:
    return Stored(digest=name(label), children=tuple(map(name, children)), **fields)


def plan(*stored: Stored, lifetime: Lifetime = MONTH, promoted=()) -> RetentionPlan:
    named = {name(label): "promoted" for label in promoted}
    return plan_retention(stored, lifetime, now=NOW, promoted=named)


def deleted(found: RetentionPlan) -> set[str]:
    going = {digest for batch in found.batches for digest in batch}
    assert going == {decision.digest for decision in found.deleted}
    return going


def reason(found: RetentionPlan, label: str) -> str:
    return next(decision.reason for decision in found.decisions if decision.digest == name(label))


# --- by age


@pytest.mark.parametrize(("age", "goes"), [(0, False), (30, False), (31, True), (-1, False)])
def test_what_is_older_than_its_days_goes(age, goes):
    found = plan(image("a", age))

    assert deleted(found) == ({name("a")} if goes else set())
    assert str(age) in reason(found, "a")


@pytest.mark.parametrize(("nights", "stay"), [(1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"])])
def test_what_has_enough_newer_nights_goes(nights, stay):
    stored = [image("a", 1), image("b", 5), image("c", 9)]
    found = plan(*stored, lifetime=Lifetime(nights=nights))

    assert deleted(found) == {one.digest for one in stored} - {name(label) for label in stay}


def test_nights_are_counted_for_each_framework():
    found = plan(image("old", 9), image("new", 1, framework="sglang"), lifetime=Lifetime(nights=1))

    assert deleted(found) == set()


def test_two_images_of_one_night_are_one_night():
    found = plan(image("a", 1), image("b", 1), image("c", 2), lifetime=Lifetime(nights=2))

    assert deleted(found) == set()


def test_without_a_limit_nothing_goes():
    assert deleted(plan(image("a", 9999), lifetime=Lifetime())) == set()


def test_a_backfill_of_an_old_night_that_was_just_built_stays():
    fresh = image("a", 100, children=["m"], made_at=NOW - timedelta(hours=3))
    joined = image("j", 100, children=["m"])
    found = plan(fresh, joined, child("m"))

    assert deleted(found) == set()
    assert reason(found, "j") == "made within the last day"


# --- what stays however old


@pytest.mark.parametrize("tag", ["known-good-vllm-amd64", "nightly-vllm-amd64", "release-1", "latest"])
def test_what_any_other_tag_names_stays(tag):
    found = plan(image("a", 100, tag))

    assert deleted(found) == set()
    assert reason(found, "a") == f"named by {tag}"


def test_what_was_promoted_stays_with_all_it_refers_to():
    found = plan(image("a", children=["m", "t"]), child("m"), child("t"), promoted=["a"])

    assert deleted(found) == set()
    assert reason(found, "a") == "promoted"
    assert reason(found, "m").startswith("belongs to nightly-vllm-amd64-run-")


def test_what_a_kept_index_refers_to_stays_though_it_is_old_itself():
    found = plan(
        image("index", 100, "known-good-vllm", children=["a"]), image("a", 100, children=["m"]), child("m")
    )

    assert deleted(found) == set()


def test_tags_that_are_not_ours_are_left_alone():
    foreign = Stored(digest=name("x"), tags=("somebodys-1.0",), night=date(2020, 1, 1))

    assert deleted(plan(foreign)) == set()


@pytest.mark.parametrize("fields", [{"age": None}, {"unknown": "its labels could not be read"}])
def test_what_does_not_say_its_night_stays(fields):
    found = plan(image("a", **fields))

    assert deleted(found) == set()


def test_what_nothing_refers_to_and_nobody_named_stays():
    found = plan(child("m"), image("a"))

    assert deleted(found) == {name("a")}
    assert reason(found, "m") == "nothing is known of it"


# --- what goes along


def test_an_index_goes_before_what_it_alone_refers_to():
    found = plan(
        image("old", children=["m1", "shared"]),
        image("new", 1, children=["m2", "shared"]),
        *map(child, ["m1", "m2", "shared"]),
    )

    assert found.batches == ((name("old"),), (name("m1"),))


def test_indexes_of_indexes_go_level_by_level():
    found = plan(image("top", children=["middle"]), child("middle", "leaf"), child("leaf"))

    assert found.batches == ((name("top"),), (name("middle"),), (name("leaf"),))


def test_signatures_go_with_what_they_are_about_and_stay_with_it():
    def signature(of: str) -> Stored:
        return Stored(digest=name(f"sig-{of}"), tags=(f"sha256-{name(of)[7:]}.sig",))

    found = plan(
        image("old"),
        image("new", 1),
        image("kept", 100, "latest"),
        *map(signature, ["old", "new", "kept", "gone"]),
    )

    assert deleted(found) == {name("old"), name("sig-old")}
    assert reason(found, "sig-gone") == f"named by sha256-{name('gone')[7:]}.sig"


def test_batches_have_at_most_a_hundred():
    found = plan(*(image(f"{number:04}") for number in range(250)))

    assert [len(batch) for batch in found.batches] == [100, 100, 50]
    assert BATCH == 100


def test_a_registry_that_claims_a_circle_loses_nothing_of_it():
    found = plan(image("a", children=["b"]), image("b", children=["a"]), image("c"))

    assert found.batches == ((name("c"),),)


# --- whatever a registry holds


LABELS = [f"{letter}{number}" for letter in "ab" for number in range(4)]


@st.composite
def registries(draw: st.DrawFn) -> list[Stored]:
    """Any acyclic registry: a manifest refers only to ones after it."""
    stored = []
    for position, label in enumerate(LABELS):
        later = LABELS[position + 1 :]
        children = draw(st.sets(st.sampled_from(later), max_size=3)) if later else set()
        tags = draw(st.sets(st.sampled_from(["known-good-x", "latest", "theirs"]), max_size=1))
        age = draw(st.one_of(st.none(), st.integers(0, 60)))
        kind = draw(st.sampled_from(["image", "untagged", "foreign"]))
        if kind == "image":
            made = draw(st.sampled_from([None, NOW - timedelta(hours=2), NOW - timedelta(days=50)]))
            unknown = draw(st.sampled_from([None, None, None, "could not be read"]))
            stored.append(image(label, age, *tags, children=sorted(children), made_at=made, unknown=unknown))
        elif kind == "foreign":
            stored.append(Stored(name(label), ("theirs",), tuple(map(name, sorted(children)))))
        else:
            stored.append(child(label, *sorted(children)))
    return stored


lifetimes = st.builds(
    Lifetime,
    days=st.one_of(st.none(), st.integers(1, 40)),
    nights=st.one_of(st.none(), st.integers(1, 5)),
)


@given(registries(), lifetimes, st.sets(st.sampled_from(LABELS), max_size=3))
def test_what_must_never_go_never_goes(stored, lifetime, promoted):
    found = plan(*stored, lifetime=lifetime, promoted=promoted)
    gone = deleted(found)
    by_digest = {one.digest: one for one in stored}

    assert not gone & {name(label) for label in promoted}
    for one in stored:
        if one.digest not in gone:
            assert not gone & set(one.children), "a kept index lost what it refers to"
    for digest in gone:
        one = by_digest[digest]
        assert set(one.tags) == set(one.runs), "another tag names it"
        assert one.unknown is None
        if one.tags:
            assert one.night is not None
            assert one.made_at is None or NOW - one.made_at >= timedelta(days=1)
        else:
            assert any(digest in by_digest[parent].children for parent in gone), "it belonged to none of them"


@given(registries(), lifetimes)
def test_every_manifest_is_decided_once_and_has_a_reason(stored, lifetime):
    found = plan(*stored, lifetime=lifetime)

    assert sorted(decision.digest for decision in found.decisions) == sorted(one.digest for one in stored)
    assert all(decision.reason for decision in found.decisions)


@given(registries(), lifetimes)
def test_nothing_goes_before_what_refers_to_it(stored, lifetime):
    found = plan(*stored, lifetime=lifetime)
    by_digest = {one.digest: one for one in stored}
    position = {digest: number for number, batch in enumerate(found.batches) for digest in batch}

    for digest, number in position.items():
        for below in by_digest[digest].children:
            assert position.get(below, number + 1) > number
    assert all(0 < len(batch) <= BATCH for batch in found.batches)


@given(registries(), lifetimes)
def test_what_was_deleted_is_not_missed_the_next_time(stored, lifetime):
    """A second look at what is left deletes nothing that the first kept: the rule does not eat its way on."""
    gone = deleted(plan(*stored, lifetime=lifetime))
    left = [one for one in stored if one.digest not in gone]

    assert deleted(plan(*left, lifetime=lifetime)) == set()
