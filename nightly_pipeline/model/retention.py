"""Retention: which images of a registry may go, in which order, and why the others stay. Pure.

Only what is ours and old goes: a manifest all of whose tags are run tags of nights past their time, and what it alone
refers to. Whatever is not known keeps what it might concern.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

BATCH = 100
"""How many manifests one request deletes at most: what ECR allows."""

JUST_MADE = timedelta(days=1)
"""A backfill of an old night makes old images that are being tested right now."""

_NOT_KNOWN = "nothing is known of it"

COMPANION = "sha256-"
"""How tags of signatures and attestations begin: the rest is the digest they are about, and maybe a suffix."""


@dataclass(frozen=True)
class Stored:
    """One manifest of a repository, as the registry has it.

    Attributes:
        tags: all that name it; none for what only an index refers to.
        children: digests an index refers to; empty for an image.
        runs: of its tags those of a run -> the framework.
        night: the night it belongs to; None where it does not say.
        made_at: when it was built; None where it does not say.
        unknown: why its night could not be read; None when it could.
    """

    digest: str
    tags: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    runs: Mapping[str, str] = field(default_factory=dict)
    night: date | None = None
    made_at: datetime | None = None
    unknown: str | None = None


@dataclass(frozen=True)
class Lifetime:
    """How long images stay: `days` from the night's date, `nights` of a framework. None is no limit."""

    days: int | None = None
    nights: int | None = None


@dataclass(frozen=True)
class Decision:
    """What becomes of one manifest, and why."""

    digest: str
    tags: tuple[str, ...]
    night: date | None
    delete: bool
    reason: str


@dataclass(frozen=True)
class RetentionPlan:
    """What becomes of every manifest.

    Attributes:
        decisions: tagged ones first, by night; then those without a tag.
        batches: digests to delete, at most 100 each; an index always in an earlier batch than what it refers to.
    """

    decisions: tuple[Decision, ...] = ()
    batches: tuple[tuple[str, ...], ...] = ()

    @property
    def deleted(self) -> tuple[Decision, ...]:
        """What goes."""
        return tuple(decision for decision in self.decisions if decision.delete)

    @property
    def kept(self) -> tuple[Decision, ...]:
        """What stays."""
        return tuple(decision for decision in self.decisions if not decision.delete)


def plan_retention(
    stored: Iterable[Stored], lifetime: Lifetime, *, now: datetime, promoted: Mapping[str, str]
) -> RetentionPlan:
    """Decide for one repository.

    Args:
        stored: every tagged manifest, and every one an index refers to, with all of its tags and children.
        lifetime: how long images stay.
        now: what ages are counted from.
        promoted: digest -> why it stays, of what was promoted.
    """
    found = {one.digest: one for one in stored}
    reasons = _roots(found, lifetime, now, promoted)
    followers = _followers(found)
    _keep_what_belongs_to_kept_ones(found, reasons, followers)
    _follow_the_deleted(found, reasons, followers)
    decisions = tuple(
        Decision(
            one.digest,
            one.tags,
            one.night,
            delete=reasons[one.digest].delete,
            reason=reasons[one.digest].text,
        )
        for one in sorted(found.values(), key=_by_night)
    )
    return RetentionPlan(decisions, _batches(found, {one.digest for one in decisions if one.delete}))


@dataclass(frozen=True)
class _Why:
    delete: bool
    text: str


def _roots(
    found: Mapping[str, Stored], lifetime: Lifetime, now: datetime, promoted: Mapping[str, str]
) -> dict[str, _Why]:
    """What becomes of each manifest by itself; what belongs to another is left for later."""
    newest = _newest_nights(found.values())
    referred = {child for one in found.values() for child in one.children}
    reasons: dict[str, _Why] = {}
    for one in found.values():
        if one.digest in promoted:
            reasons[one.digest] = _Why(False, promoted[one.digest])
        elif one.tags and not _is_companion(one, found):
            reasons[one.digest] = _why(one, found, lifetime, now, newest)
        elif not one.tags and one.digest not in referred:
            reasons[one.digest] = _Why(False, _NOT_KNOWN)
    return reasons


def _why(
    one: Stored,
    found: Mapping[str, Stored],
    lifetime: Lifetime,
    now: datetime,
    newest: Mapping[str, Sequence[date]],
) -> _Why:
    others = [tag for tag in one.tags if tag not in one.runs]
    if others:
        return _Why(False, f"named by {', '.join(sorted(others))}")
    if one.unknown or one.night is None:
        return _Why(False, one.unknown or "it does not say which night it is of")
    made_at = _made_at(one, found)
    if made_at is not None and now - made_at < JUST_MADE:
        return _Why(False, "made within the last day")
    return _by_age(one.night, set(one.runs.values()), lifetime, now, newest)


def _by_age(
    night: date,
    frameworks: Collection[str],
    lifetime: Lifetime,
    now: datetime,
    newest: Mapping[str, Sequence[date]],
) -> _Why:
    age = (now.astimezone(UTC).date() - night).days
    if lifetime.days is not None and age > lifetime.days:
        return _Why(True, f"{age} days old; {lifetime.days} are kept")
    newer = min((sum(other > night for other in newest[name]) for name in frameworks), default=0)
    if lifetime.nights is not None and newer >= lifetime.nights:
        return _Why(True, f"{newer} newer nights; {lifetime.nights} are kept")
    return _Why(False, f"{age} days old")


def _newest_nights(stored: Iterable[Stored]) -> dict[str, list[date]]:
    """Framework -> its nights in this repository."""
    nights: dict[str, set[date]] = {}
    for one in stored:
        for framework in one.runs.values():
            nights.setdefault(framework, set()).update([one.night] if one.night else [])
    return {framework: sorted(dates) for framework, dates in nights.items()}


def _made_at(one: Stored, found: Mapping[str, Stored]) -> datetime | None:
    """When it was made; an index that does not say is as new as the newest image it shares something with."""
    if one.made_at is not None:
        return one.made_at
    mine = set(one.children)
    shared = (
        other.made_at for other in found.values() if other.made_at and mine.intersection(other.children)
    )
    return max(shared, default=None)


def _is_companion(one: Stored, found: Mapping[str, Stored]) -> bool:
    """Whether every tag of it says that it is a signature or attestation of something that is here."""
    return all(_subject(tag) in found for tag in one.tags)


def _subject(tag: str) -> str:
    if not tag.startswith(COMPANION):
        return ""
    return f"sha256:{tag.removeprefix(COMPANION).partition('.')[0]}"


def _followers(found: Mapping[str, Stored]) -> dict[str, list[str]]:
    """Digest -> what stays and goes with it: what it refers to, its signatures and attestations."""
    followers = {digest: [child for child in one.children if child in found] for digest, one in found.items()}
    for one in found.values():
        for subject in {_subject(tag) for tag in one.tags} & found.keys():
            followers[subject].append(one.digest)
    return followers


def _keep_what_belongs_to_kept_ones(
    found: Mapping[str, Stored], reasons: dict[str, _Why], followers: Mapping[str, Sequence[str]]
) -> None:
    """What a kept index refers to stays, however old, and what that refers to."""
    waiting = [digest for digest, why in reasons.items() if not why.delete]
    while waiting:
        parent = waiting.pop()
        for digest in followers[parent]:
            if digest not in reasons or reasons[digest].delete:
                reasons[digest] = _Why(False, f"belongs to {_name(found[parent])}, which is kept")
                waiting.append(digest)


def _follow_the_deleted(
    found: Mapping[str, Stored], reasons: dict[str, _Why], followers: Mapping[str, Sequence[str]]
) -> None:
    """What belongs to deleted ones alone goes with them. All else without a tag of its own stays."""
    waiting = [digest for digest, why in reasons.items() if why.delete]
    while waiting:
        parent = waiting.pop()
        for digest in followers[parent]:
            if digest not in reasons:
                reasons[digest] = _Why(True, f"goes with {_name(found[parent])}")
                waiting.append(digest)
    for digest in found.keys() - reasons.keys():
        reasons[digest] = _Why(False, _NOT_KNOWN)


def _name(one: Stored) -> str:
    return min(one.tags, default=one.digest)


def _by_night(one: Stored) -> tuple[bool, date, tuple[str, ...], str]:
    return (not one.tags, one.night or date.max, one.tags, one.digest)


def _batches(found: Mapping[str, Stored], deleted: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Level by level: nothing goes before what refers to it."""
    left, batches = set(deleted), []
    while left:
        referred = {child for digest in left for child in found[digest].children if child != digest}
        level = sorted(left - referred)
        if not level:  # digests cannot refer to each other in a circle; a registry that says so is left alone
            break
        batches += [tuple(level[start : start + BATCH]) for start in range(0, len(level), BATCH)]
        left -= set(level)
    return tuple(batches)
