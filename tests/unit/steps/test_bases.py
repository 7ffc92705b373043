"""Base images pinned at the start of a run."""

from __future__ import annotations

from datetime import date

from nightly_pipeline.errors import RegistryUnavailable
from nightly_pipeline.steps.bases import (
    base_of,
    bases_of,
    bases_of_run,
    pin_bases,
    pinned,
    pinned_arguments,
)
from nightly_pipeline.steps.source import NightRun
from tests.factories import RUN_ID, planned_image

ARGUMENTS = {
    "BASE_IMAGE": "devel",
    "BASE_IMAGE_TAG": "1",
    "RUNTIME_IMAGE": "slim",
    "RUNTIME_IMAGE_TAG": "2",
    "CUDA_VERSION": "12.9",
}
NIGHT = date(2026, 11, 20)
PINNED = {"devel:1": "sha256:aa", "slim:2": "sha256:bb"}
IMAGES = [planned_image(kind=kind, build_args=ARGUMENTS) for kind in ("framework", "runtime")]


def test_every_base_is_asked_for_once():
    assert bases_of([*IMAGES, *IMAGES]) == ["devel:1", "slim:2"]
    assert bases_of([planned_image(build_args={"CUDA_VERSION": "12.9"})]) == []


def test_a_base_is_pinned_to_the_digest_behind_its_tag():
    assert pin_bases(bases_of(IMAGES), PINNED.get, print) == PINNED


def test_a_base_that_cannot_be_asked_for_is_left_out_and_said(capsys):
    def look_up(reference: str) -> str | None:
        if reference == "devel:1":
            raise RegistryUnavailable("503")
        return None

    assert pin_bases(["devel:1", "slim:2"], look_up, print) == {}
    assert capsys.readouterr().out.splitlines() == [
        "devel:1 is not pinned: 503",
        "slim:2 is not pinned: there is no such tag",
    ]


def test_a_pinned_tag_keeps_its_name_for_people():
    assert pinned_arguments(ARGUMENTS, PINNED) == {
        **ARGUMENTS,
        "BASE_IMAGE_TAG": "1@sha256:aa",
        "RUNTIME_IMAGE_TAG": "2@sha256:bb",
    }


def test_what_is_not_pinned_stays_as_it_is():
    assert pinned_arguments(ARGUMENTS, {}) == ARGUMENTS
    assert pinned_arguments(ARGUMENTS, {"slim:2": "sha256:bb"})["BASE_IMAGE_TAG"] == "1"


def test_an_image_starts_from_the_base_of_its_kind():
    framework, runtime = IMAGES

    assert base_of(framework, PINNED) == ("devel:1", "sha256:aa")
    assert base_of(runtime, PINNED) == ("slim:2", "sha256:bb")
    assert base_of(runtime, {}) == ("slim:2", None)
    assert base_of(planned_image(build_args={}), PINNED) == (None, None)


def test_any_reference_can_be_pinned():
    assert pinned("slim:2", PINNED) == "slim:2@sha256:bb"
    assert pinned("other:2", PINNED) == "other:2"


# --- of a run


def asked(records, answers, *, run_id=RUN_ID, rerun_of=None, lines=None):
    run = NightRun(NIGHT, run_id, NIGHT, rerun_of=rerun_of)
    log = print if lines is None else lines.append
    return bases_of_run(run, ["devel:1", "slim:2"], look_up=answers.get, records=records, log=log)


def test_the_bases_of_a_run_are_looked_up_once(records):
    assert asked(records, PINNED) == PINNED
    assert asked(records, {"devel:1": "sha256:moved"}) == PINNED
    assert records.bases(NIGHT.isoformat(), RUN_ID) == PINNED


def test_a_repeated_run_takes_the_bases_of_the_run_it_repeats(records):
    asked(records, PINNED)

    assert asked(records, {"devel:1": "sha256:moved"}, run_id="again", rerun_of=RUN_ID) == PINNED
    assert records.bases(NIGHT.isoformat(), "again") == PINNED


def test_a_base_that_was_not_pinned_then_is_looked_up_now(records):
    asked(records, {"slim:2": "sha256:bb"})

    moved = {"devel:1": "sha256:aa", "slim:2": "sha256:moved"}
    assert asked(records, moved, run_id="again", rerun_of=RUN_ID) == PINNED


def test_a_run_whose_bases_are_not_on_record_is_repeated_on_the_present_ones_and_says_so(records):
    lines = []

    assert asked(records, PINNED, run_id="again", rerun_of=RUN_ID, lines=lines) == PINNED
    assert lines == [f"run {RUN_ID} left no base images on record: they are looked up now"]


def test_a_base_that_the_plan_no_longer_has_is_left_behind(records):
    records.write_bases(NIGHT.isoformat(), RUN_ID, {**PINNED, "gone:1": "sha256:cc"})

    assert asked(records, {}, run_id="again", rerun_of=RUN_ID) == PINNED


def test_of_two_steps_that_look_up_at_once_the_first_to_write_counts(records):
    def slow(reference: str) -> str:
        records.write_bases(NIGHT.isoformat(), RUN_ID, PINNED)
        return "sha256:later"

    run = NightRun(NIGHT, RUN_ID, NIGHT)
    assert bases_of_run(run, ["devel:1"], look_up=slow, records=records, log=print) == PINNED
