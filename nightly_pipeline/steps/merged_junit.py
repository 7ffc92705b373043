"""One JUnit file for each framework and one for the whole night, for tools that read nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.merging import SuiteFile, suite_name
from nightly_pipeline.model.outcomes import GOOD_STAGE, StageOutcome
from nightly_pipeline.model.report import Report
from nightly_pipeline.steps.ports import ArtifactStore

JUNIT_ARTIFACT = "junit"
"""The name of the JUnit file among an outcome's artifacts, and of the whole night's among the report's."""
_MERGED = re.compile(r"junit(-[^/]+)?\.xml")

MergeSuites = Callable[[Iterable[SuiteFile], Path], None]
"""Merges suites into one file. A suite that cannot be read is in it as an error that says so."""


def keep_merged_junit(report: Report, store: ArtifactStore, merge: MergeSuites) -> dict[str, str]:
    """Merge the JUnit files of a report's stages: `junit-{framework}.xml` for each framework, `junit.xml` for all.

    Every stage of the report is in them. One that left no file, or one that is not good although none of its test
    cases says so, is there with an error: these files must not look better than the night.

    Returns:
        name -> key in the store: `junit`, `junit-vllm`, ...; nothing for a night without test stages.

    Raises:
        NightlyError, OSError: a merged file could not be written or kept.
    """
    frameworks = dict.fromkeys(stage.framework for stage in report.stages)
    if not frameworks:
        return {}
    with TemporaryDirectory(prefix="nightly-junit-") as name:
        folder = Path(name)
        merged = {f"{JUNIT_ARTIFACT}-{each}": folder / f"{JUNIT_ARTIFACT}-{each}.xml" for each in frameworks}
        for framework, path in zip(frameworks, merged.values(), strict=True):
            stages = [stage for stage in report.stages if stage.framework == framework]
            merge(_suites(stages, store, folder / "stage.xml"), path)
        whole = folder / f"{JUNIT_ARTIFACT}.xml"
        merge((SuiteFile(framework, path) for framework, path in merged.items()), whole)
        return {
            artifact: _keep(report, path, store)
            for artifact, path in ((JUNIT_ARTIFACT, whole), *merged.items())
        }


def merged_junit(date: str, run_id: str, store: ArtifactStore) -> dict[str, str]:
    """The merged files that are kept of a run, as `keep_merged_junit` returned them."""
    folder = f"{date}/{run_id}/"
    names = (key.removeprefix(folder) for key in store.keys(folder.rstrip("/")))
    return {name.removesuffix(".xml"): f"{folder}{name}" for name in names if _MERGED.fullmatch(name)}


def _suites(stages: Iterable[StageOutcome], store: ArtifactStore, copy: Path) -> Iterator[SuiteFile]:
    """Each stage's suite. There is one copy on the disk at a time, so it must be read before the next is asked for."""
    for stage in stages:
        name = suite_name(stage.framework, stage.arch, stage.stage)
        problem = None if stage.status in GOOD_STAGE else f"{stage.status.value}: {stage.message or ''}"
        try:
            there = _fetch(stage, store, copy)
        except NightlyError as error:
            there, problem = False, f"its results could not be fetched: {error.message}"
        yield SuiteFile(
            name, copy if there else None, problem or (None if there else "its results are not kept")
        )


def _fetch(stage: StageOutcome, store: ArtifactStore, copy: Path) -> bool:
    key = stage.artifacts.get(JUNIT_ARTIFACT)
    return key is not None and store.read_file(key, copy)


def _keep(report: Report, path: Path, store: ArtifactStore) -> str:
    key = f"{report.date}/{report.run_id}/{path.name}"
    store.write_file(key, path)
    return key
