"""A git repository of ready answers, which remembers what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from nightly_pipeline.errors import SourceError
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.requests import Revision


def revision(name: str = "head", *, dirty: bool = False, ref: str = "HEAD") -> Revision:
    """A commit whose hash says its name."""
    return Revision(
        commit=name.encode().hex().ljust(40, "0"),
        tree=f"tree-{name}".encode().hex().ljust(40, "0"),
        dirty=dirty,
        committed_at=datetime(2026, 11, 19, 17, 30, tzinfo=UTC),
        author="Ada",
        subject=f"Commit {name}",
        repository="https://example.org/team/project.git",
        ref=ref,
    )


@dataclass
class FakeRepository:
    """`heads` has the commit of each ref by the instant that is asked for; None is now."""

    heads: dict[tuple[str, datetime | None], Revision] = field(default_factory=dict)
    asked: list[tuple[str, datetime | None]] = field(default_factory=list)
    exported: list[Revision] = field(default_factory=list)
    commits: dict[tuple[str, str], tuple[Commit, ...]] = field(default_factory=dict)
    compared: list[tuple[str, str]] = field(default_factory=list)

    def resolve(self, ref: str, *, at: datetime | None) -> Revision:
        self.asked.append((ref, at))
        if (ref, at) not in self.heads:
            raise SourceError(f"{ref} is not there at {at}")
        return self.heads[ref, at]

    def between(self, before: str, after: str, *, first_parent: bool = False) -> tuple[Commit, ...]:
        self.compared.append((before, after))
        if (before, after) not in self.commits:
            raise SourceError(f"{before} or {after} is not there")
        return self.commits[before, after]

    def export(self, revision: Revision, destination: Path) -> Path:
        self.exported.append(revision)
        return destination / revision.tree
