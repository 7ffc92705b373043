"""The same night with the tools a person would reach for: `docker buildx bake`, `imagetools create`, `docker run`.

It does what the pipeline does to the registries and runs the same tests, and writes JUnit files; it keeps no evidence,
checks no digest, and has no deadline, verdict or page.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nightly_pipeline.model.plan import Plan, PlannedImage, PlannedStage
from nightly_pipeline.settings import Settings

TAG = "by-hand"


def run_by_hand(settings: Settings, plan: Plan, source: Path, folder: Path) -> None:
    """Build, push, publish and test everything of a plan.

    Raises:
        subprocess.CalledProcessError: a build or a publication failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bake_file = folder / "bake.json"
    bake_file.write_text(json.dumps(_bake(settings, plan, source)))
    secret = f"id=ca,src={settings.build.ca_bundle}"
    _call("docker", "buildx", "bake", "--file", str(bake_file), "--set", f"*.secrets={secret}", "--push")
    with ThreadPoolExecutor(settings.max_concurrent_steps) as pool:
        publications = [pool.submit(_publish, settings, plan, framework) for framework in _frameworks(plan)]
        stages = [pool.submit(_test, settings, stage, folder) for stage in plan.stages]
        for future in (*publications, *stages):
            future.result()


def _bake(settings: Settings, plan: Plan, source: Path) -> dict[str, object]:
    targets = {_name(image): _target(settings, image, source) for image in plan.images}
    return {"group": {"default": {"targets": list(targets)}}, "target": targets}


def _target(settings: Settings, image: PlannedImage, source: Path) -> dict[str, object]:
    primary = settings.registries[settings.primary]
    cache = f"{primary.host}/{primary.cache_repository}:{image.cache_tag}"
    return {
        "context": str(source / image.context),
        "dockerfile": str(source / image.dockerfile),
        "target": image.kind,
        "platforms": [image.platform],
        "args": image.build_args,
        "tags": [_reference(settings, settings.primary, image.framework, image.arch, image.kind)],
        "attest": ["type=provenance,mode=max", *_sbom(settings, image)],
        "cache-from": [f"type=registry,ref={cache}"],
        "cache-to": [f"type=registry,ref={cache},mode=max"],
        "output": ["type=image,compression=zstd,compression-level=1"],
    }


def _sbom(settings: Settings, image: PlannedImage) -> list[str]:
    generator = settings.build.sbom_generator
    return [f"type=sbom,generator={generator}"] if generator and image.kind == "runtime" else []


def _publish(settings: Settings, plan: Plan, framework: str) -> None:
    cells = [image.arch for image in plan.images if image.framework == framework and image.kind == "runtime"]
    primary = [_reference(settings, settings.primary, framework, arch, "runtime") for arch in cells]
    for role in settings.registries:
        copies = [_reference(settings, role, framework, arch, "runtime") for arch in cells]
        if role != settings.primary:
            for source, copy in zip(primary, copies, strict=True):
                _call("docker", "buildx", "imagetools", "create", "--tag", copy, source)
        index = f"{copies[0].rpartition(':')[0]}:{TAG}-{framework}"
        _call("docker", "buildx", "imagetools", "create", "--tag", index, *copies)


def _test(settings: Settings, stage: PlannedStage, folder: Path) -> None:
    results = folder / f"{stage.framework}-{stage.arch}-{stage.stage}"
    results.mkdir(exist_ok=True)
    results.chmod(0o777)
    collect = ["--collect-only", "-q"] if stage.mode == "collect" else ["--junitxml=/results/junit.xml"]
    image = _reference(settings, settings.primary, stage.framework, stage.arch, "runtime")
    container = ["docker", "run", "--rm", "--pull=always", "--quiet", f"--platform={stage.platform}"]
    pytest = ["-m", "pytest", "-p", "no:cacheprovider", "-m", stage.markers, "/opt/suite", *collect]
    argv = [*container, f"--volume={results}:/results", "--init", "--entrypoint=python3", image, *pytest]
    # Its exit code is looked at by nobody here: the labels' tests fail, as nobody passes them the labels.
    subprocess.run(argv, check=False, capture_output=True)


def _call(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def _reference(settings: Settings, role: str, framework: str, arch: str, kind: str) -> str:
    registry = settings.registries[role]
    return f"{registry.host}/{registry.repository}:{TAG}-{framework}-{kind}-{arch}"


def _frameworks(plan: Plan) -> list[str]:
    return list(dict.fromkeys(image.framework for image in plan.images))


def _name(image: PlannedImage) -> str:
    return f"{image.framework}-{image.kind}-{image.arch}"
