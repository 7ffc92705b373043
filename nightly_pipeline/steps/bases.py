"""Base images, pinned: looked up once at the start of a run, so that a tag that moves meanwhile splits no night.

What they were pinned to is on record, so a run can be repeated on the same ones (`nightly rerun`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.plan import PlannedImage
from nightly_pipeline.steps.ports import LineSink
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.source import NightRun

LookUp = Callable[[str], str | None]
"""Asks a registry for the digest behind `image:tag`; None when there is no such tag. Raises RegistryError."""

_PAIRS = (("BASE_IMAGE", "BASE_IMAGE_TAG"), ("RUNTIME_IMAGE", "RUNTIME_IMAGE_TAG"))


def bases_of(images: Iterable[PlannedImage]) -> list[str]:
    """Every base image that is built on, as `image:tag`, once each."""
    arguments = (image.build_args for image in images)
    return sorted({reference for args in arguments for reference in _references(args).values()})


def bases_of_run(
    run: NightRun, references: Collection[str], *, look_up: LookUp, records: NightRecords, log: LineSink
) -> dict[str, str]:
    """What the base images of a run are pinned to: looked up and written down the first time it is asked for.

    A run that repeats another one takes its bases, by digest, wherever their tags have moved since. What was not
    pinned then is looked up now.
    """
    on_record = records.bases(run.partition, run.run_id)
    if on_record is not None:
        return on_record
    repeated = records.bases(run.partition, run.rerun_of) if run.rerun_of else None
    taken = {reference: digest for reference, digest in (repeated or {}).items() if reference in references}
    if run.rerun_of and repeated is None:
        log(f"run {run.rerun_of} left no base images on record: they are looked up now")
    looked_up = pin_bases([reference for reference in references if reference not in taken], look_up, log)
    records.write_bases(run.partition, run.run_id, taken | looked_up)
    # Another step of the run may have been faster, and seen another digest: then that one is this run's.
    return records.bases(run.partition, run.run_id) or taken | looked_up


def pin_bases(references: Iterable[str], look_up: LookUp, log: LineSink) -> dict[str, str]:
    """Reference -> digest, of those that can be asked for.

    A base that is absent or cannot be asked for is left out: its builds then take the tag as it is and say for
    themselves what is wrong.
    """
    pinned = {}
    for reference in references:
        try:
            digest = look_up(reference)
        except NightlyError as error:
            log(f"{reference} is not pinned: {error.message}")
            continue
        if digest is None:
            log(f"{reference} is not pinned: there is no such tag")
        else:
            pinned[reference] = digest
    return pinned


def pinned_arguments(arguments: Mapping[str, str], pinned: Mapping[str, str]) -> dict[str, str]:
    """The build arguments, each base's tag followed by its digest: `tag@sha256:...`, which a FROM line takes."""
    references = _references(arguments)
    digests = {
        tag: f"{arguments[tag]}@{pinned[reference]}"
        for tag, reference in references.items()
        if reference in pinned
    }
    return {**arguments, **digests}


def base_of(planned: PlannedImage, pinned: Mapping[str, str]) -> tuple[str | None, str | None]:
    """What an image starts from, as `image:tag`, and its digest; None for what is not known."""
    tag = "RUNTIME_IMAGE_TAG" if planned.kind == "runtime" else "BASE_IMAGE_TAG"
    reference = _references(planned.build_args).get(tag)
    return reference, pinned.get(reference) if reference else None


def pinned(reference: str, digests: Mapping[str, str]) -> str:
    """`image:tag`, followed by its digest where it is pinned."""
    return f"{reference}@{digests[reference]}" if reference in digests else reference


def _references(arguments: Mapping[str, str]) -> dict[str, str]:
    """Build argument of a tag -> the reference it is part of."""
    return {
        tag: f"{arguments[image]}:{arguments[tag]}"
        for image, tag in _PAIRS
        if image in arguments and tag in arguments
    }
