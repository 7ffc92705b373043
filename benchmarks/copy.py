"""Bringing an image to the second registry: by the pipeline, by a second `docker push`, by `skopeo copy`.

All registries are docker-registry processes of this benchmark's own, each with empty storage, on this machine's disk.
Every copy starts from an empty destination. Layers are random data, uncompressed, so that nothing but moving bytes is
measured. skopeo is installed where apt-get can do that; else it is left out, and that is said.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.registries import Destination, Server, put_image, uploads_in
from nightly_pipeline.tools.registry import OciRegistry

ROUNDS = 3
LAYER_MB, LAYERS = 128, 4
SMALL_MB, LARGE_MB = 64, 2048
REPOSITORY = "bench"


def measure(_frameworks: list[str]) -> None:
    """Print times, bytes, memory and ratios."""
    with tempfile.TemporaryDirectory(prefix="nightly-bench-") as name:
        folder = Path(name)
        with Server(folder / "source") as source:
            _speed(source, folder)
            _what_changed(source, folder)
        _memory(folder)


def _speed(source: Server, folder: Path) -> None:
    """The same image by three ways, taking turns, so that what else the machine does meets all of them."""
    image = _Image.build(source, folder)
    ways: dict[str, Callable[[Destination], None]] = {
        "pipeline": image.by_pipeline,
        "docker push": image.by_docker,
    }
    if _has_skopeo():
        ways["skopeo copy"] = image.by_skopeo
    else:
        print("skopeo is not installed here and cannot be: that comparison is missing")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    try:
        for _ in range(ROUNDS):
            for way, copy in ways.items():
                with Server(folder / "destination") as server:
                    seconds[way].append(_seconds(partial(copy, server.destination(REPOSITORY))))
    finally:
        image.remove()
    _print_speed(seconds)


def _print_speed(seconds: dict[str, list[float]]) -> None:
    megabytes = LAYER_MB * LAYERS
    print(f"copy of {LAYERS} layers of {LAYER_MB} MB into an empty registry, median of {ROUNDS}")
    ours = statistics.median(seconds["pipeline"])
    for way, taken in seconds.items():
        median = statistics.median(taken)
        spread = f"{min(taken):.2f} to {max(taken):.2f}"
        print(
            f"{way:12}{median:>8.2f} s  ({spread}){megabytes / median:>8.0f} MB/s{ours / median:>8.2f} pipeline's share"
        )


def _what_changed(source: Server, folder: Path) -> None:
    """Nothing changed, then one layer: what is uploaded, by the destination's own count of what it took."""
    layers = [os.urandom(2 << 20) for _ in range(3)]
    with Server(folder / "second") as second, _registry(source) as ours, _registry(second) as theirs:
        first = put_image(source.destination(REPOSITORY), layers)
        theirs.copy_from(ours, first)
        before = uploads_in(second)
        taken = _seconds(lambda: theirs.copy_from(ours, first))
        print(f"nothing changed: {uploads_in(second) - before} blobs uploaded, {taken:.3f} s")
        changed = put_image(source.destination(REPOSITORY), [*layers[:2], os.urandom(3 << 20)])
        uploaded = theirs.copy_from(ours, changed)
        own, rest = 3 << 20, uploaded - (3 << 20)
        print(f"one of three layers changed: {own} bytes of it uploaded, and {rest} of config and manifest")


def _memory(folder: Path) -> None:
    """The peak of a fresh process that copies one image, a small and a large one."""
    peaks = {size: _peak(folder, size) for size in (SMALL_MB, LARGE_MB)}
    for size, (peak, taken) in peaks.items():
        print(f"image of {size:>5} MB: peak memory {peak:>4.0f} MB, {taken:.1f} s")
    print(
        f"ratio of the peaks: {peaks[LARGE_MB][0] / peaks[SMALL_MB][0]:.2f} for {LARGE_MB // SMALL_MB} times the size"
    )


PROGRAM = """
import sys, time
from benchmarks.memory import peak_mb
from nightly_pipeline.tools.registry import OciRegistry
source, destination, repository, digest = sys.argv[1:]
start = time.perf_counter()
with OciRegistry("ecr", source, repository, insecure=True) as ecr:
    with OciRegistry("acr", destination, repository, insecure=True) as acr:
        acr.copy_from(ecr, digest)
print(peak_mb(), time.perf_counter() - start)
"""


def _peak(folder: Path, megabytes: int) -> tuple[float, float]:
    with Server(folder / f"from-{megabytes}") as source, Server(folder / f"to-{megabytes}") as destination:
        digest = put_image(source.destination(REPOSITORY), [(megabytes << 20) // 4] * 4)
        argv = [sys.executable, "-c", PROGRAM, source.host, destination.host, REPOSITORY, digest]
        answer = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
    return float(answer[0]), float(answer[1])


@dataclass(frozen=True)
class _Image:
    """An image that is in the engine's store and in the source registry."""

    source: Server
    digest: str

    @classmethod
    def build(cls, source: Server, folder: Path) -> _Image:
        context = folder / "context"
        context.mkdir()
        lines = ["FROM scratch"]
        for number in range(LAYERS):
            with (context / f"layer-{number}").open("wb") as file:
                for _ in range(LAYER_MB):
                    file.write(os.urandom(1 << 20))
            lines.append(f"COPY layer-{number} /")
        (context / "Dockerfile").write_text("\n".join(lines))
        reference, metadata = f"{source.host}/{REPOSITORY}:image", folder / "metadata.json"
        output = (
            f"type=image,name={reference},push=true,compression=uncompressed,oci-mediatypes=true,unpack=false"
        )
        _call("docker", "buildx", "build", "--builder=default", "--provenance=false", "--no-cache",
              f"--output={output}", f"--metadata-file={metadata}", str(context))  # fmt: skip
        shutil.rmtree(context)
        return cls(source, json.loads(metadata.read_text())["containerimage.digest"])

    def by_pipeline(self, destination: Destination) -> None:
        with _registry(self.source) as ecr, destination.registry() as acr:
            acr.copy_from(ecr, self.digest)
            acr.put_tag("image", self.digest)

    def by_docker(self, destination: Destination) -> None:
        copy = f"{destination.host}/{REPOSITORY}:image"
        _call("docker", "tag", f"{self.source.host}/{REPOSITORY}:image", copy)
        _call("docker", "push", "--quiet", copy)
        _call("docker", "rmi", copy)

    def by_skopeo(self, destination: Destination) -> None:
        options = ("--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests")
        places = (f"docker://{host}/{REPOSITORY}:image" for host in (self.source.host, destination.host))
        _call("skopeo", "copy", *options, *places)

    def remove(self) -> None:
        """Out of the engine's store."""
        subprocess.run(
            ["docker", "rmi", f"{self.source.host}/{REPOSITORY}:image"], check=False, capture_output=True
        )


def _registry(server: Server) -> OciRegistry:
    return server.destination(REPOSITORY).registry()


def _has_skopeo() -> bool:
    if shutil.which("skopeo") is None and shutil.which("apt-get") is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        argv = ["apt-get", "install", "-y", "--no-install-recommends", "skopeo"]
        subprocess.run(argv, check=False, capture_output=True, env=environment)
    return shutil.which("skopeo") is not None


def _call(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
