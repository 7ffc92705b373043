"""The repository under test: which commit, and its files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from nightly_pipeline.model.requests import Revision


class GitRepository:
    """A git repository: a checkout on this machine, or an address that is mirrored below `cache`.

    Args:
        repository: path of a checkout (or of a bare repository), or an address git can clone.
        cache: folder for mirrors and for snapshots of dirty working trees; made when missing.
        deadline_s: seconds any one git command may take.
    """

    def __init__(self, repository: str, *, cache: Path, deadline_s: float = 900.0) -> None:
        self._repository = repository
        self._cache = cache
        self._deadline_s = deadline_s

    def resolve(self, ref: str, *, at: datetime | None = None) -> Revision:
        """The commit `ref` points at now, or pointed at at `at`. Raises SourceError."""
        raise NotImplementedError

    def export(self, revision: Revision, destination: Path) -> Path:
        """Write the revision's files to `destination/<tree>`, unless there, and return that folder."""
        raise NotImplementedError
