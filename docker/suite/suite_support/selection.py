"""Which tests an image runs, and which marks every test must carry."""

from __future__ import annotations

from suite_support.image import Image

LEVELS = ("unit", "integration", "e2e")
GPUS = ("gpu_0", "gpu_1", "gpu_2")
MOMENTS = ("pre_merge", "post_merge", "nightly")
FRAMEWORKS = ("vllm", "sglang", "trtllm")
ENGINES = ("engine_mock", "engine_real")


def problems(names: set[str]) -> list[str]:
    """Return what is wrong with a test's marks; a test that no stage would select is worse than none."""
    groups = (LEVELS, GPUS)
    found = [
        f"needs exactly one of {', '.join(group)}" for group in groups if len(names.intersection(group)) != 1
    ]
    if not names.intersection(MOMENTS):
        found.append(f"needs at least one of {', '.join(MOMENTS)}")
    if "e2e" in names and not names.intersection(FRAMEWORKS):
        found.append(f"an e2e test needs at least one of {', '.join(FRAMEWORKS)}")
    if len(names.intersection(ENGINES)) > 1:
        found.append("is for one kind of engine or for both: not for one and the other")
    return found


def applies(names: set[str], image: Image) -> bool:
    """Return whether a test with these marks is about this image."""
    frameworks, engines = names.intersection(FRAMEWORKS), names.intersection(ENGINES)
    return (not frameworks or image.framework in frameworks) and (
        not engines or f"engine_{image.engine_kind}" in engines
    )


def gpus(names: set[str]) -> int:
    """Return how many GPUs a test with these marks needs with a real engine."""
    return max(GPUS.index(name) for name in names.intersection(GPUS))
