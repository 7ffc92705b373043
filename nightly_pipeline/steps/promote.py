"""Promotion: `known-good` tags on what was tested, the same in every registry, and a record of who, when and why.

A cell's tag names the tested digest itself. The multi-arch tag names an index of exactly those images, whose
annotations say which night they are of and why they were promoted; a record in the store says the same, and more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from nightly_pipeline.errors import (
    NightlyError,
    RegistryConflict,
    RegistryUnavailable,
    UsageError,
)
from nightly_pipeline.model.masking import mask
from nightly_pipeline.model.oci import INDEX_TYPE, digest_of_bytes, join_indexes
from nightly_pipeline.model.promotion import Candidate, PromotedImage, PromotionRecord
from nightly_pipeline.model.quantities import digest_text
from nightly_pipeline.model.tags import known_good_run_tag, known_good_tag
from nightly_pipeline.model.untrusted import one_line
from nightly_pipeline.steps.manifests import index_of, parsed
from nightly_pipeline.steps.ports import LineSink, Registry, Signer
from nightly_pipeline.steps.promotion_records import PromotionRecords

LONGEST_REASON = 500

DATE, RUN, REASON = "io.nightly.date", "io.nightly.run-id", "io.nightly.reason"
FRAMEWORK, REVISION = "io.nightly.framework", "org.opencontainers.image.revision"


@dataclass(frozen=True)
class PromoteTools:
    """The registries with runtime images by role, the primary one's role, where promotions are recorded, who signs.

    The tested images are signed already; the index that is made of them is signed before it has a tag.
    """

    registries: Mapping[str, Registry]
    primary: str
    records: PromotionRecords
    signer: Signer | None = None


@dataclass(frozen=True)
class Order:
    """What somebody wants promoted, and why.

    Attributes:
        who: `user@host`, or the run of the orchestrator.
        overridden: problems it is promoted in spite of.
        excused: failures of quarantined tests.
    """

    candidate: Candidate
    reason: str
    who: str
    action: Literal["promote", "rollback"] = "promote"
    automatic: bool = False
    overridden: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Move:
    """One tag of one registry: what it names now (None: it is not there) and what it will name."""

    registry: str
    tag: str
    before: str | None
    after: str

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after


@dataclass(frozen=True)
class PromotionPlan:
    """What a promotion will do. `index` is the exact content of what `known-good-{framework}` will name."""

    order: Order
    index: bytes
    moves: tuple[Move, ...]

    @property
    def index_digest(self) -> str:
        """The digest of the index."""
        return digest_of_bytes(self.index)

    @property
    def changes(self) -> bool:
        """Whether any tag has to move."""
        return any(move.changes for move in self.moves)


def checked_reason(text: str) -> str:
    """The reason in one line, without credentials.

    Raises:
        UsageError: it is empty or too long.
    """
    reason = mask(one_line(text))
    if not reason:
        raise UsageError(
            "a promotion needs a reason", next_step='Say why: --reason "fixes the leak of #123".'
        )
    if len(reason) > LONGEST_REASON:
        raise UsageError(
            f"the reason has {len(reason)} characters",
            next_step=f"Say it in {LONGEST_REASON}, and link the rest.",
        )
    return reason


def plan_promotion(order: Order, tools: PromoteTools) -> PromotionPlan:
    """Ask every registry what it has and what its tags name. Changes nothing.

    Raises:
        RegistryConflict: an image is not in one of the registries any more.
        RegistryUnavailable: one of them could not be asked; then nothing is promoted in any.
    """
    for registry in tools.registries.values():
        for image in order.candidate.images:
            _require(registry, image)
    index = _index(order, tools)
    moves = [
        Move(role, tag, registry.digest_of(tag), digest)
        for role, registry in tools.registries.items()
        for tag, digest in _tags(order.candidate, digest_of_bytes(index))
    ]
    return PromotionPlan(order, index, tuple(moves))


def promote(plan: PromotionPlan, tools: PromoteTools, log: LineSink) -> PromotionRecord:
    """Move the tags, ask every registry what they name now, and write it all down.

    A plan without changes changes nothing, and its record is the last one where that says the same. A registry that
    fails does not keep the others from being served; what went wrong is in the record, and raised.

    Raises:
        RegistryError: a registry refused.
        RegistryUnavailable: a registry could not be asked.
    """
    last = tools.records.current(plan.order.candidate.framework)
    if not plan.changes and last is not None and last.index_digest == plan.index_digest:
        log(f"{known_good_tag(last.framework)} names the images of {last.date} already")
        return last
    errors: dict[str, NightlyError] = {}
    for role, registry in tools.registries.items():
        try:
            _serve(registry, plan, tools.signer, log)
        except NightlyError as error:
            log(f"{role}: {error}")
            errors[role] = error
    record = _record(plan, tools, errors)
    tools.records.write(record)
    if errors:
        raise _worst(list(errors.values()))
    return record


def promoted_night(registry: Registry, framework: str) -> dict[str, str] | None:
    """What the annotations of `known-good-{framework}` say: night, run, reason; None when there is no such tag."""
    found = registry.manifest(known_good_tag(framework))
    if found is None:
        return None
    annotations = parsed(registry, known_good_tag(framework), found[0]).get("annotations") or {}
    names = {"date": DATE, "run_id": RUN, "reason": REASON, "source_revision": REVISION}
    said = {name: str(annotations[key]) for name, key in names.items() if key in annotations}
    return {"digest": digest_of_bytes(found[0]), **said}


def _require(registry: Registry, image: PromotedImage) -> None:
    if registry.digest_of(image.digest) is None:
        raise RegistryConflict(
            f"{registry.role}: {registry.reference(image.digest)} ({image.arch}) is not there any more",
            next_step="Publish the night again if another registry still has it, or choose another night.",
        )


def _tags(candidate: Candidate, index_digest: str) -> list[tuple[str, str]]:
    """Tag -> digest, in the order they move: people's multi-arch tag last."""
    cells = [(known_good_tag(candidate.framework, image.arch), image.digest) for image in candidate.images]
    own = known_good_run_tag(candidate.framework, candidate.run_id)
    return [*cells, (own, index_digest), (known_good_tag(candidate.framework), index_digest)]


def _index(order: Order, tools: PromoteTools) -> bytes:
    """The index that was made when these images were first promoted, or a new one.

    The one there is is taken as it is: going back to a night brings its very digest back, and a registry whose tags
    do not move has nothing to refuse.
    """
    new = _joined(order, tools)
    children = json.loads(new)["manifests"]
    for registry in tools.registries.values():
        tag = known_good_run_tag(order.candidate.framework, order.candidate.run_id)
        found = registry.manifest(tag)
        if found is not None and parsed(registry, tag, found[0]).get("manifests") == children:
            return found[0]
    return new


def _joined(order: Order, tools: PromoteTools) -> bytes:
    candidate = order.candidate
    registry = tools.registries[tools.primary]
    annotations = {
        FRAMEWORK: candidate.framework,
        DATE: candidate.date,
        RUN: candidate.run_id,
        REASON: order.reason,
        **({REVISION: candidate.source_revision} if candidate.source_revision else {}),
    }
    return join_indexes(
        [index_of(registry, image.digest, image.platform) for image in candidate.images],
        platforms=[image.platform for image in candidate.images],
        annotations=annotations,
    )


def _serve(registry: Registry, plan: PromotionPlan, signer: Signer | None, log: LineSink) -> None:
    registry.put_index([], plan.index, INDEX_TYPE)
    if signer is not None:
        signer.sign(registry.reference(plan.index_digest))
    for move in plan.moves:
        if move.registry != registry.role:
            continue
        registry.put_tag(move.tag, move.after)
        answered = registry.digest_of(move.tag)
        if answered != move.after:
            raise RegistryConflict(
                f"{registry.reference(move.tag)} answers {answered}, but {move.after} was promoted"
            )
        was = (
            ""
            if move.before == move.after
            else f", was {digest_text(move.before) if move.before else 'not there'}"
        )
        log(f"{registry.role}: {move.tag} is {digest_text(move.after)}{was}")


def _record(plan: PromotionPlan, tools: PromoteTools, errors: Mapping[str, NightlyError]) -> PromotionRecord:
    order = plan.order
    return PromotionRecord(
        **order.candidate.model_dump(),
        action=order.action,
        automatic=order.automatic,
        index_digest=plan.index_digest,
        registries=tuple(tools.registries),
        reason=order.reason,
        who=order.who,
        when=datetime.now(UTC),
        overridden=order.overridden,
        excused=order.excused,
        complete=not errors,
        problems={role: error.message for role, error in errors.items()},
    )


def _worst(errors: list[NightlyError]) -> NightlyError:
    """What was refused outweighs what could not be asked: only the second may pass by itself."""
    return next((error for error in errors if not isinstance(error, RegistryUnavailable)), errors[0])
