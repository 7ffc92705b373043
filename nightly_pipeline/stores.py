"""Where a profile keeps things, opened: artifacts and records, the history, the repository under test.

Without Dagster, and without what is not asked for: commands that only read answer at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.ports import ArtifactStore
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from nightly_pipeline.tools.git import GitRepository

if TYPE_CHECKING:
    from nightly_pipeline.tools.history import ParquetHistory


def open_records(settings: Settings) -> NightRecords:
    """The records of every night."""
    return NightRecords(open_artifacts(settings))


def open_artifacts(settings: Settings) -> ArtifactStore:
    """Where artifacts are kept, as the profile says."""
    where = settings.artifacts
    if where.kind == "local" or where.bucket is None:
        return LocalArtifactStore(settings.artifacts_root)
    # AWS's library is slow to import, and needed only where a bucket is.
    from nightly_pipeline.tools.artifacts_s3 import S3ArtifactStore  # noqa: PLC0415

    return S3ArtifactStore(
        where.bucket, prefix=where.prefix, endpoint=where.endpoint, region=where.region, links=where.links
    )


def open_history(settings: Settings) -> ParquetHistory:
    """What is remembered of every night."""
    # DuckDB and Arrow are slow to import, and the definitions need neither.
    from nightly_pipeline.tools.history import ParquetHistory  # noqa: PLC0415

    return ParquetHistory(settings.history_root)


def open_source(settings: Settings) -> GitRepository:
    """The repository under test; a relative path is relative to the project."""
    repository = settings.source.repository
    local = settings.root / repository
    return GitRepository(str(local.resolve()) if local.exists() else repository, cache=settings.home / "git")
