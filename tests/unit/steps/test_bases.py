"""Base images pinned at the start of a run."""

from __future__ import annotations

from nightly_pipeline.errors import RegistryUnavailable
from nightly_pipeline.steps.bases import base_digest, bases_of, pin_bases, pinned_arguments
from tests.factories import planned_image

ARGUMENTS = {
    "BASE_IMAGE": "devel",
    "BASE_IMAGE_TAG": "1",
    "RUNTIME_IMAGE": "slim",
    "RUNTIME_IMAGE_TAG": "2",
    "CUDA_VERSION": "12.9",
}
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

    assert (base_digest(framework, PINNED), base_digest(runtime, PINNED)) == ("sha256:aa", "sha256:bb")
    assert base_digest(runtime, {}) is None
    assert base_digest(planned_image(build_args={}), PINNED) is None
