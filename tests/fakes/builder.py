"""A builder that pushes ready images to a registry in memory, or fails as it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nightly_pipeline.model.metrics import BuildMetrics, BuildStep
from nightly_pipeline.model.requests import BuildRequest, BuildResult
from nightly_pipeline.steps.ports import LineSink
from tests.fakes.registry_memory import MemoryRegistry

METRICS = BuildMetrics(
    wall_s=2.5,
    steps=2,
    cached_steps=1,
    hit_rate=0.5,
    pushed_bytes=7,
    build_steps=(
        BuildStep(name="[runtime 1/2] FROM base", digest="sha256:aa", status="cached"),
        BuildStep(name="[runtime 2/2] COPY suite /opt/suite", digest="sha256:bb", status="done"),
    ),
)


@dataclass
class FakeBuilder:
    """Builds what the registry's `add_image` makes, with the labels that were asked for.

    Attributes:
        error: what to raise instead, after the output.
        after_push: called when the image is there, for what happens to it before anybody looks.
        requests: what was asked for.
        attested: whether images come with an attestation, as an index.
        packages: what the attached package list has, where one is asked for; None attaches none all the same.
    """

    registry: MemoryRegistry
    error: BaseException | None = None
    output: tuple[str, ...] = ("#1 [internal] load build definition", "#2 DONE 0.1s")
    after_push: Callable[[], None] = lambda: None
    requests: list[BuildRequest] = field(default_factory=list)
    attested: bool = True
    packages: tuple[str, ...] | None = ("python3", "vllm")

    def build(self, request: BuildRequest, log: LineSink) -> BuildResult:
        self.requests.append(request)
        for line in self.output:
            log(line)
        if self.error is not None:
            raise self.error
        layer = f"layers of {request.target}".encode()
        digest = self.registry.add_image(
            request.platform,
            labels=request.labels,
            attested=self.attested,
            layer=layer,
            statements=self._statements(request),
        )
        assert request.push_reference is not None
        self.registry.tags[request.push_reference.rpartition(":")[2]] = digest
        self.after_push()
        return BuildResult(digest=digest, metrics=METRICS)

    def _statements(self, request: BuildRequest) -> list[dict[str, object]]:
        if request.sbom_generator is None or self.packages is None:
            return []
        packages = [{"SPDXID": f"SPDXRef-{name}", "name": name} for name in self.packages]
        document = {"spdxVersion": "SPDX-2.3", "packages": packages}
        return [{"predicateType": "https://spdx.dev/Document", "predicate": document}]
