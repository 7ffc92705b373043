"""Everything a repository holds, read through its tags: what retention decides on.

All or nothing: a tag that could not be read might name anything, so then nothing is known of the repository.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.oci import INDEX_TYPES, digest_of_bytes
from nightly_pipeline.model.retention import Stored
from nightly_pipeline.model.retention_caches import StoredCache, newest_layer
from nightly_pipeline.model.tags import framework_of_run_tag
from nightly_pipeline.steps.manifests import parsed
from nightly_pipeline.steps.ports import Registry

NIGHT, CREATED = "io.nightly.date", "org.opencontainers.image.created"
_SIDE_BY_SIDE = 8
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass
class RepositoryContents:
    """What is known of a repository, to be read again where it may have changed.

    Attributes:
        frameworks, architectures: of the table: what our run tags are made of.
        named: tag -> digest.
        manifests: digest -> the manifest, parsed.
    """

    registry: Registry
    frameworks: Sequence[str]
    architectures: Sequence[str]
    named: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    _said: dict[str, _Said] = field(default_factory=dict)

    def read(self) -> None:
        """Read what is new: every tag the first time, later those that are new and those that move.

        Raises:
            RegistryError: a registry refused.
            RegistryUnavailable: it could not be asked.
        """
        tags = self.registry.list_tags()
        unread = [tag for tag in tags if tag not in self.named or self._framework(tag) is None]
        found = dict(zip(unread, _side_by_side(self._read_one, unread), strict=True))
        self.named = {
            tag: digest
            for tag in tags
            if (digest := found.get(tag) if tag in found else self.named[tag]) is not None
        }
        self._read_indexes_below(set(self.named.values()))

    def stored(self) -> list[Stored]:
        """Every manifest with its tags, children, night: the labels of ours are read for it."""
        tags: dict[str, list[str]] = {}
        for tag, digest in self.named.items():
            tags.setdefault(digest, []).append(tag)
        ours = [digest for digest, names in tags.items() if any(map(self._framework, names))]
        unread = [digest for digest in ours if digest not in self._said]
        self._said |= zip(unread, _side_by_side(self._night_of, unread), strict=True)
        everything = dict.fromkeys([*tags, *self._reachable(tags)])
        return [self._stored(digest, sorted(tags.get(digest, ()))) for digest in everything]

    def caches(self) -> list[StoredCache]:
        """Every tagged manifest as a layer cache."""
        tags: dict[str, list[str]] = {}
        for tag, digest in sorted(self.named.items()):
            tags.setdefault(digest, []).append(tag)
        return [
            StoredCache(digest, tuple(names), newest_layer(self.manifests[digest]))
            for digest, names in tags.items()
        ]

    def _read_one(self, tag_or_digest: str) -> str | None:
        """Read a manifest and return its digest; None when it is gone by now."""
        found = self.registry.manifest(tag_or_digest)
        if found is None:
            return None
        digest = digest_of_bytes(found[0])
        self.manifests[digest] = parsed(self.registry, tag_or_digest, found[0])
        return digest

    def _read_indexes_below(self, digests: Iterable[str]) -> None:
        """What an index refers to may be an index itself."""
        waiting = list(digests)
        while waiting:
            for child in self.manifests[waiting.pop()].get("manifests") or ():
                if child.get("mediaType") not in INDEX_TYPES or child["digest"] in self.manifests:
                    continue
                if self._read_one(child["digest"]) is not None:
                    waiting.append(child["digest"])

    def _reachable(self, digests: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        waiting = list(digests)
        while waiting:
            for child in self._children(waiting.pop()):
                if child not in found:
                    found[child] = None
                    waiting.append(child)
        return list(found)

    def _children(self, digest: str) -> tuple[str, ...]:
        return tuple(str(child["digest"]) for child in self.manifests.get(digest, {}).get("manifests") or ())

    def _framework(self, tag: str) -> str | None:
        return framework_of_run_tag(tag, self.frameworks, self.architectures)

    def _stored(self, digest: str, tags: Sequence[str]) -> Stored:
        said = self._said.get(digest, _Said())
        runs = {tag: name for tag in tags if (name := self._framework(tag)) is not None}
        return Stored(
            digest=digest,
            tags=tuple(tags),
            children=self._children(digest),
            runs=runs,
            night=said.night,
            made_at=said.made_at,
            unknown=said.unknown,
        )

    def _night_of(self, digest: str) -> _Said:
        """What a manifest says of itself: an index in its annotations, an image in its labels."""
        annotations = self.manifests[digest].get("annotations") or {}
        if NIGHT in annotations:
            return _said(annotations)
        try:
            labels = (self.registry.config_of(digest).get("config") or {}).get("Labels") or {}
        except NightlyError as error:
            return _Said(unknown=f"its labels could not be read: {error.message}")
        return _said(labels)


@dataclass(frozen=True)
class _Said:
    night: date | None = None
    made_at: datetime | None = None
    unknown: str | None = None


def _said(words: Mapping[str, Any]) -> _Said:
    return _Said(
        night=_parsed(date.fromisoformat, words.get(NIGHT)),
        made_at=_aware(_parsed(datetime.fromisoformat, words.get(CREATED))),
    )


def _parsed(parse: Callable[[str], _R], text: object) -> _R | None:
    try:
        return parse(str(text))
    except ValueError:
        return None


def _aware(instant: datetime | None) -> datetime | None:
    return instant if instant is not None and instant.tzinfo else None


def _side_by_side(do: Callable[[_T], _R], things: Sequence[_T]) -> list[_R]:
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="read") as pool:
        return list(pool.map(do, things))
