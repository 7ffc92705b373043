"""Publishing: the same bytes in every registry, tags moved last, every registry asked what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from nightly_pipeline.errors import (
    EnvironmentNotReady,
    NightlyError,
    RegistryConflict,
    RegistryFull,
    RegistryUnavailable,
)
from nightly_pipeline.model.oci import INDEX_TYPE, digest_of_bytes, join_indexes
from nightly_pipeline.model.outcomes import (
    ImageOutcome,
    PublicationOutcome,
    PublicationStatus,
    PublishedCopy,
)
from nightly_pipeline.model.plan import PlannedIndex, PlannedPublication
from nightly_pipeline.model.tags import index_run_tag, run_tag
from nightly_pipeline.steps.manifests import index_of
from nightly_pipeline.steps.ports import LineSink, Registry, Signer
from nightly_pipeline.steps.records import NightRecords

Bring = Callable[[Registry], int]
"""Brings what is published into a registry and returns the bytes uploaded."""
Tags = Callable[[], tuple[str, ...]]
"""The tags it gets, asked for when it is there: a copy takes minutes, in which a newer night may have come."""


@dataclass(frozen=True)
class PublishTools:
    """The registries by role, the primary one's role, where outcomes are written, and who signs (None: nobody)."""

    registries: Mapping[str, Registry]
    primary: str
    records: NightRecords
    signer: Signer | None = None

    def source(self) -> Registry:
        """The registry builds push to: where copies come from."""
        return self.registries[self.primary]


def publish_image(  # noqa: PLR0913 - which night, which run
    planned: PlannedPublication,
    image: ImageOutcome | None,
    tools: PublishTools,
    log: LineSink,
    *,
    date: str,
    run_id: str,
) -> PublicationOutcome:
    """Bring a runtime image to every registry it belongs in, with its run's tag and the moving one.

    A registry that refuses or cannot be asked does not keep the others from being served; the outcome says
    which. Without an image it is `blocked`.
    """
    publishing = _Publishing(planned, tools, log, date=date, run_id=run_id)
    digest = (image and image.digest) or ""

    def bring(target: Registry) -> int:
        return 0 if target.role == tools.primary else target.copy_from(tools.source(), digest)

    if not digest:
        return publishing.ended(_blocked())
    tag = run_tag(planned.framework, planned.arch, run_id)
    return publishing.ended(publishing.serve(bring, tag, digest), digest)


def publish_index(  # noqa: PLR0913 - which night, which run
    planned: PlannedIndex,
    images: Sequence[PublicationOutcome],
    tools: PublishTools,
    log: LineSink,
    *,
    date: str,
    run_id: str,
) -> PublicationOutcome:
    """Join the published images of every architecture into one index, by digest, in every registry.

    Refused (`failed`) when a platform is missing.
    """
    publishing = _Publishing(planned, tools, log, date=date, run_id=run_id)
    try:
        content = _joined(planned, images, tools, date)
    except NightlyError as error:
        return publishing.ended({"status": _status_of(error), "message": str(error)})
    tag, digest = index_run_tag(planned.framework, run_id), digest_of_bytes(content)

    def store(target: Registry) -> int:
        target.put_index([tag], content, INDEX_TYPE)
        return len(content)

    return publishing.ended(publishing.serve(store, tag, digest), digest)


class _Publishing:
    """One publication of one run, from its beginning to what is written down of it."""

    def __init__(
        self,
        planned: PlannedPublication | PlannedIndex,
        tools: PublishTools,
        log: LineSink,
        *,
        date: str,
        run_id: str,
    ) -> None:
        self.planned, self.tools, self.log = planned, tools, log
        self.date, self.run_id = date, run_id
        self.started, self.clock = datetime.now(UTC), monotonic()

    def serve(self, bring: Bring, tag: str, digest: str) -> dict[str, Any]:
        """Bring it to every registry it belongs in, under its run's tag and the moving one."""

        def tags() -> tuple[str, ...]:
            return (tag, *_moving(self.planned, self.tools, self.date, self.log))

        bring = _signing(bring, self.tools, digest, self.log)
        targets = [self.tools.registries[role] for role in self.planned.registries]
        # One after the other: the primary has the image already and takes a second, and only what the main thread does
        # ends at once when the step is cancelled.
        return _verdict([_serve(target, bring, tags, digest, self.log) for target in targets])

    def ended(self, verdict: Mapping[str, Any], digest: str | None = None) -> PublicationOutcome:
        """Write down what became of it."""
        outcome = PublicationOutcome(
            date=self.date,
            run_id=self.run_id,
            framework=self.planned.framework,
            arch=self.planned.arch,
            platforms=self.planned.platforms,
            digest=digest,
            signed=_is_signed(verdict, self.tools),
            started_at=self.started,
            duration_s=round(monotonic() - self.clock, 3),
            **verdict,
        )
        self.tools.records.write_outcome(outcome)
        return outcome


def _joined(
    planned: PlannedIndex, images: Sequence[PublicationOutcome], tools: PublishTools, date: str
) -> bytes:
    source = tools.source()
    indexes = [index_of(source, image.digest, image.platforms[0]) for image in images if image.digest]
    annotations = {"io.nightly.framework": planned.framework, "io.nightly.date": date}
    return join_indexes(indexes, platforms=planned.platforms, annotations=annotations)


def _moving(
    planned: PlannedPublication | PlannedIndex, tools: PublishTools, date: str, log: LineSink
) -> tuple[str, ...]:
    """The tag people use, unless it belongs to a newer night."""
    newer = tools.records.newer_night(date, planned.key)
    if newer is None:
        return (planned.moving_tag,)
    log(f"{planned.moving_tag} stays with the night of {newer}")
    return ()


def _serve(
    target: Registry, bring: Bring, tags: Tags, digest: str, log: LineSink
) -> tuple[PublishedCopy, NightlyError | None]:
    copy = PublishedCopy(registry=target.role, reference=target.reference(digest), tags=(), digest=None)
    try:
        uploaded = bring(target)
        copy = copy.model_copy(update={"tags": tags()})
        for tag in copy.tags:
            target.put_tag(tag, digest)
            _verify(target, tag, digest)
    except NightlyError as error:
        log(f"{target.role}: {error}")
        return copy.model_copy(update={"message": str(error)}), error
    log(f"{target.role}: {target.reference(digest)} as {', '.join(copy.tags)}; {uploaded} bytes uploaded")
    return copy.model_copy(update={"digest": digest, "uploaded_bytes": uploaded}), None


def _signing(bring: Bring, tools: PublishTools, digest: str, log: LineSink) -> Bring:
    """Bring, then sign in that registry: what a tag of ours leads to has its signature before the tag is there."""
    signer = tools.signer
    if signer is None:
        return bring

    def bring_and_sign(target: Registry) -> int:
        uploaded = bring(target)
        signer.sign(target.reference(digest))
        log(f"{target.role}: {target.reference(digest)} signed")
        return uploaded

    return bring_and_sign


def _is_signed(verdict: Mapping[str, Any], tools: PublishTools) -> bool:
    return tools.signer is not None and verdict["status"] is PublicationStatus.PUBLISHED


def _verify(target: Registry, tag: str, digest: str) -> None:
    """Ask the registry itself: a tag must answer with the digest that was published before the next moves."""
    answered = target.digest_of(tag)
    if answered != digest:
        raise RegistryConflict(f"{target.reference(tag)} answers {answered}, but {digest} was published")


def _blocked() -> dict[str, Any]:
    message = "there is no good runtime image of this night to publish"
    return {"status": PublicationStatus.BLOCKED, "message": message}


def _verdict(copies: Sequence[tuple[PublishedCopy, NightlyError | None]]) -> dict[str, Any]:
    if not copies:
        return {"status": PublicationStatus.FAILED, "message": "no registry of the profile takes this image"}
    errors = [error for _, error in copies if error is not None]
    # What was refused outweighs what could not be asked: only the second may pass by itself.
    statuses = {_status_of(error) for error in errors}
    status = next(
        (word for word in (PublicationStatus.FAILED, PublicationStatus.INFRA_ERROR) if word in statuses),
        PublicationStatus.PUBLISHED,
    )
    return {
        "status": status,
        "copies": tuple(copy for copy, _ in copies),
        "message": "\n".join(str(error) for error in errors) or None,
    }


def _status_of(error: NightlyError) -> PublicationStatus:
    passing = isinstance(error, RegistryUnavailable | RegistryFull | EnvironmentNotReady)
    return PublicationStatus.INFRA_ERROR if passing else PublicationStatus.FAILED
