"""What the steps need from outside, as Protocols: tools implement them, tests bring fakes of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from nightly_pipeline.model.history import EntryRow, NightRow, SharedRow, TestIdentity, TestRow
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.requests import (
    BuildRequest,
    BuildResult,
    ContainerResult,
    ContainerSpec,
    Revision,
)

LineSink = Callable[[str], None]
"""Takes one line of output as it happens, without its newline."""


class SourceRepository(Protocol):
    """A git repository."""

    def resolve(self, ref: str, *, at: datetime | None) -> Revision:
        """The commit `ref` points at now, or pointed at at `at`. Raises SourceError."""
        ...

    def export(self, revision: Revision, destination: Path) -> Path:
        """Write the revision's files below `destination` (reused when there) and return their root."""
        ...

    def between(self, before: str, after: str, *, first_parent: bool = False) -> tuple[Commit, ...]:
        """The commits that `after` has and `before` has not, newest first. Raises SourceError."""
        ...


class ImageBuilder(Protocol):
    """Builds and pushes one image."""

    def build(self, request: BuildRequest, log: LineSink) -> BuildResult:
        """Raises BuildError (with `metrics` as far as seen), BuildTimedOut, DiskFull, EnvironmentNotReady."""
        ...


class Registry(Protocol):
    """One repository in a registry. "Absent" is an answer (None); "could not ask" is RegistryUnavailable."""

    @property
    def role(self) -> str:
        """The registry's name in the profile: ecr, acr."""
        ...

    def reference(self, tag_or_digest: str) -> str:
        """host/repository:tag, or host/repository@digest."""
        ...

    def digest_of(self, tag_or_digest: str) -> str | None:
        """The digest the registry answers for this tag or digest; None when it is absent."""
        ...

    def manifest(self, tag_or_digest: str) -> tuple[bytes, str] | None:
        """The manifest's exact bytes and media type; None when it is absent."""
        ...

    def config_of(self, digest: str) -> dict[str, Any]:
        """The image configuration (labels, environment, ...) of a manifest or of an index's one image."""
        ...

    def put_tag(self, tag: str, digest: str) -> None:
        """Make `tag` name `digest`, which is there already. The bytes, and so the digest, stay the same."""
        ...

    def put_index(self, tags: Iterable[str], manifest: bytes, media_type: str) -> str:
        """Store an index under every tag and return its digest. Its children must be there."""
        ...

    def copy_from(self, source: Registry, digest: str) -> int:
        """Copy an image or index with all it refers to, only what is missing; return the bytes uploaded."""
        ...

    def open_blob(self, digest: str) -> Iterable[bytes]:
        """Stream a blob in chunks."""
        ...

    def delete(self, digest: str) -> None:
        """Delete a manifest; deleting what is absent is no error."""
        ...

    def list_tags(self) -> list[str]:
        """Every tag, sorted; a repository that does not exist has none."""
        ...

    def delete_many(self, digests: Sequence[str]) -> Mapping[str, str]:
        """Delete at most 100 manifests with all their tags, in this order.

        Returns:
            Why, for those that are still there.
        """
        ...


class Signer(Protocol):
    """Signs images where they are."""

    def sign(self, reference: str) -> None:
        """Sign `host/repository@digest`; what is signed already stays as it is.

        Raises EnvironmentNotReady (nothing to sign with), ProcessError (refused).
        """
        ...


class ContainerRunner(Protocol):
    """Runs one container to its end."""

    def run(self, spec: ContainerSpec, *, workspace: Path, log: LineSink) -> ContainerResult:
        """Output goes to `log` line by line; what `spec.collect` names is unpacked below `workspace`.

        Raises ContainerError, NoGpu, EnvironmentNotReady. A container that fails is no error: see the result.
        """
        ...


class ArtifactStore(Protocol):
    """Where artifacts are kept. Keys are relative: `2026-11-20/<run>/vllm/amd64/unit/junit.xml`."""

    def write(self, key: str, content: bytes) -> None:
        """Write whole or not at all; an existing artifact is replaced."""
        ...

    def write_once(self, key: str, content: bytes) -> bool:
        """Like `write`, unless the key is taken: of several writers the first wins. Whether this one did."""
        ...

    def write_file(self, key: str, path: Path) -> None:
        """Like `write`, from a file, without holding it in memory."""
        ...

    def read(self, key: str) -> bytes | None:
        """The content, or None when it is absent."""
        ...

    def read_file(self, key: str, path: Path) -> bool:
        """Like `read`, into a file, without holding it in memory. Whether it was there."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """All keys below a prefix (a folder, without a trailing slash), sorted."""
        ...

    def delete(self, prefix: str) -> int:
        """Delete everything below a prefix; return how many artifacts went."""
        ...

    def dates(self) -> list[date]:
        """The nights that have artifacts, oldest first."""
        ...

    def location(self, key: str) -> str:
        """Where a person finds it: a path or an address."""
        ...


class Notifier(Protocol):
    """Delivers the team's message."""

    @property
    def can_update(self) -> bool:
        """Whether a message can be changed and answered in a thread; else every `post` is a message of its own."""
        ...

    def post(
        self, *, text: str, blocks: list[dict[str, Any]], key: str, thread_of: str | None = None
    ) -> str | None:
        """Send, or update the message that is on record for `key`; return where it can be seen.

        With `thread_of`, the key of another message, it belongs in that message's thread.

        Raises:
            NotificationError: it could not be delivered.
        """
        ...


class History(Protocol):
    """What is remembered of every night, for good. Dates are YYYY-MM-DD and inclusive; newest comes last."""

    def write(self, night: NightRow, entries: Sequence[EntryRow], tests: Sequence[TestRow]) -> None:
        """Write a run's rows, whole or not at all; a run that is there already is replaced."""
        ...

    def add(self, tests: Sequence[TestRow], *, date: str, run_id: str, part: str) -> None:
        """Add rows that came otherwise (a confirming rerun, an import); `part` names them within the run."""
        ...

    def nights(self, *, since: str | None = None, until: str | None = None) -> list[NightRow]:
        """The runs on record, by date and then by their start."""
        ...

    def entries(self, *, since: str | None = None, until: str | None = None) -> list[EntryRow]:
        """Images, publications and stages of those nights: the newest result of each date."""
        ...

    def tests(self, date: str, *, run_id: str | None = None, bad_only: bool = False) -> list[TestRow]:
        """Every test of one night (or of one run of it), whatever its source."""
        ...

    def of_tests(
        self, identities: Sequence[TestIdentity], *, since: str | None = None, until: str | None = None
    ) -> list[TestRow]:
        """Every row of these tests."""
        ...

    def shared_rows(
        self,
        identities: Sequence[TestIdentity],
        *,
        alone: Collection[TestIdentity] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> list[SharedRow]:
        """The same in far fewer rows, oldest first: one for all the tests of which it says the same.

        Args:
            identities: the tests, each once.
            alone: those of them that share no row, so that each row has their name and duration.
            since: the first night.
            until: the last night.
        """
        ...

    def bad_tests(self, *, since: str, until: str) -> list[TestIdentity]:
        """The tests that were bad in one of these nights."""
        ...

    def problems(self) -> Sequence[object]:
        """What is left out because it is damaged or of another version, each with its reason as text.

        Where this is not empty the past is not known whole, and whoever tells of it says so.
        """
        ...
