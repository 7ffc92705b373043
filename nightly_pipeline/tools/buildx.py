"""Build and push images with `docker buildx`."""

from __future__ import annotations

from nightly_pipeline.model.requests import BuildRequest, BuildResult
from nightly_pipeline.tools.process import LineSink


class BuildxBuilder:
    """An ImageBuilder over the docker command line.

    Args:
        compression: how layers are compressed in the registry: zstd or gzip.
        compression_level: 1 is fast, 22 (zstd) or 9 (gzip) is small.
        provenance: BuildKit's provenance attestation: `mode=max`, `mode=min`, or None for none.
        push_attempts: how often a build is called in all when only the registry stood in the way.
    """

    def __init__(
        self,
        *,
        compression: str = "zstd",
        compression_level: int = 1,
        provenance: str | None = "mode=max",
        push_attempts: int = 4,
    ) -> None:
        self._compression = compression
        self._compression_level = compression_level
        self._provenance = provenance
        self._push_attempts = push_attempts

    def build(self, request: BuildRequest, log: LineSink) -> BuildResult:
        """Raises BuildError (with `metrics`), BuildTimedOut, DiskFull, EnvironmentNotReady."""
        raise NotImplementedError
