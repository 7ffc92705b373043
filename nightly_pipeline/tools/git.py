"""The repository under test: which commit, and its files."""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from nightly_pipeline.errors import ProcessError, SourceError
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.requests import Revision
from nightly_pipeline.tools.git_command import Git, explain
from nightly_pipeline.tools.git_local import open_checkout, snapshot
from nightly_pipeline.tools.git_log import commits_between
from nightly_pipeline.tools.git_mirror import Mirror, is_address

_HASH = re.compile(r"[0-9a-f]{7,64}")
_DETAILS = "%H%x00%T%x00%cI%x00%an%x00%s"


class GitRepository:
    """A git repository: a checkout on this machine, or an address that is mirrored below `cache`.

    A checkout is only ever read: what a dirty working tree holds is stored below `cache`.

    Args:
        repository: path of a checkout (or of a bare repository), or an address git can fetch from.
        cache: folder for mirrors and for snapshots of dirty working trees; made when missing.
        deadline_s: seconds any one git command may take.
    """

    def __init__(self, repository: str, *, cache: Path, deadline_s: float = 900.0) -> None:
        self._cache = cache.absolute()
        self._deadline_s = deadline_s
        self._mirror = (
            Mirror(repository, cache=self._cache, deadline_s=deadline_s) if is_address(repository) else None
        )
        self.repository = self._mirror.address if self._mirror else repository

    def __repr__(self) -> str:
        return f"GitRepository({self.repository!r})"

    def resolve(self, ref: str, *, at: datetime | None = None) -> Revision:
        """The commit `ref` points at now, or was the head of `ref` at `at`.

        Now, and for what a local checkout has checked out, the working tree with its changes and untracked
        files is what is built; the revision is then `dirty`. A commit's hash means that commit, whatever
        `at` is.

        Raises:
            SourceError: the repository cannot be read, or there is no such commit.
            EnvironmentNotReady: no space is left.
            ProcessError: git is not installed, or did not end in time.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError("`at` needs a timezone")
        with self._explained():
            git = self._open(ref)
            commit = self._commit(git, ref)
            if at is not None and not _is_hash(ref, commit):
                commit = self._head_at(git, ref, commit, at)
            revision = self._describe(git, commit, ref)
            if at is None and _is_checked_out(git, ref):
                tree = snapshot(git, self._snapshots)
                revision = replace(revision, tree=tree, dirty=tree != revision.tree)
            return revision

    def export(self, revision: Revision, destination: Path) -> Path:
        """Write the revision's files to `destination/<tree>`, unless they are there, and return that folder.

        The files are those of a checkout (content filters run, nothing is left out). Times are the commit's
        and modes are 0644 or 0755, so that the same tree always makes the same layers. Submodules are empty
        folders.

        Raises:
            SourceError: the revision is not in the repository (any more).
            EnvironmentNotReady: no space is left.
        """
        final = destination.absolute() / revision.tree
        if final.is_dir():
            return final
        with self._explained():
            git = self._open(revision.commit)
            self._require_tree(git, revision)
            destination.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=destination, prefix=f".{revision.tree[:12]}-") as folder:
                files = self._check_out(git, revision.tree, Path(folder))
                _normalise(files, revision.committed_at.timestamp())
                with suppress(OSError):  # another process was faster: its files are the same
                    files.rename(final)
        if not final.is_dir():
            raise SourceError(f"{revision.label} could not be written to {final}.")
        return final

    def between(self, before: str, after: str, *, first_parent: bool = False) -> tuple[Commit, ...]:
        """The commits that `after` has and `before` has not, newest first: see `commits_between`.

        Raises:
            SourceError: one of the two is not in the repository (any more).
            ProcessError: git is not installed, or did not end in time.
        """
        with self._explained():
            git = self._open(after)
            ends = [self._commit(git, end) for end in (before, after)]
            return commits_between(git, *ends, first_parent=first_parent)

    @property
    def _snapshots(self) -> Path:
        return self._cache / "snapshots"

    def _open(self, ref: str) -> Git:
        if self._mirror is None:
            return open_checkout(Path(self.repository), self._deadline_s)
        if not self._mirror.has(ref):
            self._mirror.fetch(ref)
        return self._mirror.git

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ProcessError as error:
            explained = explain(error, self.repository)
            if explained is error:
                raise
            raise explained from error

    def _commit(self, git: Git, ref: str) -> str:
        commit = git.answer("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        if commit is None:
            raise self._unknown(git, ref)
        return commit

    def _unknown(self, git: Git, ref: str) -> SourceError:
        patterns = ("refs/heads", "refs/tags", "refs/remotes")
        names = git("for-each-ref", "--format=%(refname:short)", *patterns).splitlines()
        if not names and git.answer("rev-parse", "--verify", "--quiet", "HEAD") is None:
            return SourceError(f"{self.repository} has no commits yet.", next_step="Commit something first.")
        near = difflib.get_close_matches(ref, names, n=3) or sorted(names)[:5]
        message = f"{self.repository} has no branch, tag or commit `{ref}`."
        if _is_shallow(git):
            message += " It is a shallow clone, so older commits are missing."
            return SourceError(
                message, next_step="Run `git fetch --unshallow` in it, or name a newer commit."
            )
        return SourceError(message, next_step=f"Perhaps you meant: {', '.join(near)}.")

    def _head_at(self, git: Git, ref: str, commit: str, at: datetime) -> str:
        before = f"--before={at.isoformat(timespec='seconds')}"
        if found := git("rev-list", "-1", "--first-parent", before, commit):
            return found
        first = git("rev-list", "--first-parent", "--max-parents=0", commit).splitlines()[-1]
        when = self._describe(git, first, ref).committed_at
        shallow = "the shallow clone's first commit" if _is_shallow(git) else "the first commit"
        raise SourceError(
            f"`{ref}` of {self.repository} had no commit yet at {at.isoformat(timespec='minutes')}: "
            f"{shallow} is {first[:12]} of {when.isoformat(timespec='minutes')}.",
            next_step="Run `git fetch --unshallow` in it, or name a commit: `--revision COMMIT`."
            if _is_shallow(git)
            else "Choose a later night, or name the commit to build: `--revision COMMIT`.",
        )

    def _describe(self, git: Git, commit: str, ref: str) -> Revision:
        details = git("log", "-1", "--no-show-signature", f"--format={_DETAILS}", commit)
        full, tree, committed_at, author, subject = details.split("\0")
        return Revision(
            commit=full,
            tree=tree,
            dirty=False,
            committed_at=datetime.fromisoformat(committed_at),
            author=author,
            subject=subject,
            repository=self.repository,
            ref=ref,
        )

    def _require_tree(self, git: Git, revision: Revision) -> None:
        try:
            git("cat-file", "-e", f"{revision.tree}^{{tree}}", env=self._with_snapshots())
        except ProcessError as error:
            what = "The snapshot of the working tree" if revision.dirty else "The commit"
            raise SourceError(
                f"{what} {revision.label} is not in {self.repository}, nor in {self._cache}.",
                next_step="Resolve the revision again on this machine: start a new run.",
            ) from error

    def _check_out(self, git: Git, tree: str, folder: Path) -> Path:
        env = {**self._with_snapshots(), "GIT_INDEX_FILE": str(folder / "index")}
        files = folder / "files"
        files.mkdir()
        git("read-tree", tree, env=env)
        git("checkout-index", "--all", "--force", env=env, work_tree=files)
        return files

    def _with_snapshots(self) -> dict[str, str]:
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._snapshots)} if self._snapshots.is_dir() else {}


def _is_hash(ref: str, commit: str) -> bool:
    return _HASH.fullmatch(ref) is not None and commit.startswith(ref)


def _is_shallow(git: Git) -> bool:
    return git("rev-parse", "--is-shallow-repository") == "true"


def _is_checked_out(git: Git, ref: str) -> bool:
    if git.work_tree is None:
        return False
    if ref in {"HEAD", "@"}:
        return True
    head = git.answer("symbolic-ref", "--quiet", "HEAD")
    return head is not None and git.answer("rev-parse", "--symbolic-full-name", ref) == head


def _normalise(files: Path, timestamp: float) -> None:
    """Modes and times that depend on the tree alone, not on the umask or the hour."""
    for folder, _, names in os.walk(files, topdown=False):
        for path in (*(Path(folder) / name for name in names), Path(folder)):
            if path.is_symlink():
                os.utime(path, (timestamp, timestamp), follow_symlinks=False)
                continue
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
            os.utime(path, (timestamp, timestamp))
