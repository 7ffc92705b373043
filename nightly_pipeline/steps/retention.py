"""Retention: look at every registry, say what would go and why, and delete it when asked to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.retention import Decision, Lifetime, RetentionPlan, plan_retention
from nightly_pipeline.model.retention_caches import plan_caches
from nightly_pipeline.model.tags import cache_tag
from nightly_pipeline.steps.ports import LineSink, Registry
from nightly_pipeline.steps.promotion_records import PromotionRecords
from nightly_pipeline.steps.repository_contents import RepositoryContents

Planner = Callable[[RepositoryContents], RetentionPlan]
IMAGE_KINDS = ("framework", "runtime")


@dataclass(frozen=True)
class RetentionTools:
    """What retention works with.

    Attributes:
        images: the registries' repositories of images.
        caches: their repositories of layer caches.
        records: of promotions: what was promoted last stays.
    """

    images: Sequence[Registry]
    caches: Sequence[Registry]
    records: PromotionRecords
    frameworks: Sequence[str]
    architectures: Sequence[str]


@dataclass(frozen=True)
class RetentionRule:
    """How long things stay; see `RetentionSettings` for the fields."""

    lifetime: Lifetime
    promotions: int
    cache_days: int | None


@dataclass(frozen=True)
class RepositoryOutcome:
    """What became of one repository.

    Attributes:
        where: host/repository.
        problem: why nothing could be decided: then all of it stays.
        deleted: digests that went.
        failed: digest -> why it is still there.
    """

    registry: str
    where: str
    kind: str
    plan: RetentionPlan = field(default_factory=RetentionPlan)
    problem: str | None = None
    deleted: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether everything was asked, and everything that was to go went."""
        return self.problem is None and not self.failed

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "registry": self.registry,
            "where": self.where,
            "kind": self.kind,
            "problem": self.problem,
            "delete": [_document(decision) for decision in self.plan.deleted],
            "keep": [_document(decision) for decision in self.plan.kept],
            "deleted": list(self.deleted),
            "failed": dict(self.failed),
        }


def apply_retention(
    tools: RetentionTools, rule: RetentionRule, *, delete: bool, log: LineSink, now: datetime | None = None
) -> list[RepositoryOutcome]:
    """Decide for every repository, each for itself; with `delete`, delete.

    A repository that could not be read whole keeps everything, and its outcome says why.
    """
    instant = now or datetime.now(UTC)
    promoted = _promoted(tools, rule.promotions)
    ours = _cache_tags(tools)

    def images(contents: RepositoryContents) -> RetentionPlan:
        return plan_retention(contents.stored(), rule.lifetime, now=instant, promoted=promoted)

    def caches(contents: RepositoryContents) -> RetentionPlan:
        return plan_caches(contents.caches(), rule.cache_days, now=instant, ours=ours)

    looks = [
        *(_Look("images", registry, images) for registry in tools.images),
        *(_Look("caches", registry, caches) for registry in tools.caches),
    ]
    return [_look_at(look, tools, delete=delete, log=log) for look in looks]


@dataclass(frozen=True)
class _Look:
    """One repository to look at, and how what is in it is decided on."""

    kind: str
    registry: Registry
    planner: Planner


def _look_at(look: _Look, tools: RetentionTools, *, delete: bool, log: LineSink) -> RepositoryOutcome:
    where = look.registry.reference("x").rpartition(":")[0]
    contents = RepositoryContents(look.registry, tools.frameworks, tools.architectures)
    try:
        contents.read()
        plan = look.planner(contents)
        if delete and plan.batches:
            contents.read()  # quick now: what was tagged or promoted in the meantime stays
            plan = look.planner(contents)
    except NightlyError as error:
        log(f"{where}: {error.message}; everything stays")
        return RepositoryOutcome(look.registry.role, where, look.kind, problem=error.message)
    log(f"{where}: {len(plan.kept)} manifests stay, {len(plan.deleted)} {'go' if delete else 'would go'}")
    gone, failed = _delete(contents, plan, log) if delete else ((), {})
    return RepositoryOutcome(look.registry.role, where, look.kind, plan, deleted=gone, failed=failed)


def _delete(
    contents: RepositoryContents, plan: RetentionPlan, log: LineSink
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Delete batch after batch. What an index refers to stays with it when the index could not be deleted."""
    gone: list[str] = []
    failed: dict[str, str] = {}
    for batch in plan.batches:
        blocked = _below(failed, contents)
        failed |= {digest: blocked[digest] for digest in batch if digest in blocked}
        ready = [digest for digest in batch if digest not in failed]
        failed |= _delete_batch(contents.registry, ready)
        gone += [digest for digest in ready if digest not in failed]
        log(f"{contents.registry.role}: {len(gone)} of {len(plan.deleted)} deleted")
    return tuple(gone), failed


def _delete_batch(registry: Registry, digests: Sequence[str]) -> dict[str, str]:
    try:
        return dict(registry.delete_many(digests)) if digests else {}
    except NightlyError as error:
        return dict.fromkeys(digests, error.message)


def _below(failed: Iterable[str], contents: RepositoryContents) -> dict[str, str]:
    children: dict[str, str] = {}
    for digest in failed:
        for child in contents.manifests.get(digest, {}).get("manifests") or ():
            children[child["digest"]] = f"{digest}, which refers to it, is still there"
    return children


def _promoted(tools: RetentionTools, promotions: int) -> dict[str, str]:
    """What the last promotions of every framework chose, to roll back to."""
    kept: dict[str, str] = {}
    for framework in tools.frameworks:
        done = [record for record in tools.records.of(framework) if record.complete]
        distinct = {record.index_digest: record for record in done}  # the newest record of each
        newest = sorted(distinct.values(), key=lambda record: record.when)[-promotions:]
        for record in newest:
            why = f"promoted: the night of {record.date}, on {record.when:%Y-%m-%d}"
            kept |= dict.fromkeys([record.index_digest, *(image.digest for image in record.images)], why)
    return kept


def _cache_tags(tools: RetentionTools) -> list[str]:
    return [
        cache_tag(framework, arch, kind)
        for framework in tools.frameworks
        for arch in tools.architectures
        for kind in IMAGE_KINDS
    ]


def _document(decision: Decision) -> dict[str, Any]:
    return {
        "digest": decision.digest,
        "tags": list(decision.tags),
        "night": decision.night.isoformat() if decision.night else None,
        "reason": decision.reason,
    }


def as_json(outcomes: Iterable[RepositoryOutcome], *, delete: bool) -> str:
    """All outcomes as a JSON document."""
    documents = [outcome.document() for outcome in outcomes]
    return json.dumps({"dry_run": not delete, "repositories": documents}, indent=2)
