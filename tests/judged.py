"""A night with a past, for tests and pictures: incidents, tests of every verdict, changes, drifts, 29 nights before it.

Everything is computed from the numbers here; nothing is random.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from nightly_pipeline.model.history import EntryRow, NightRow, TestIdentity, TestResult
from nightly_pipeline.model.judgement import (
    Commit,
    Drift,
    ImageChange,
    Incident,
    Judgement,
    NightResult,
    PackageChange,
    QuarantineNote,
    StepChange,
    TestVerdict,
    Verdict,
)
from nightly_pipeline.model.night_rows import entry_rows_of, night_row_of
from nightly_pipeline.model.outcomes import StageCounts
from nightly_pipeline.model.report import Report, with_judgement
from nightly_pipeline.model.trends import last_dates
from tests.factories import DATE, REVISION, artifacts, digest, failure, image, publication, stage, whole_night

DATES = last_dates(DATE, 30)
GAPS = frozenset({DATES[7], DATES[8], DATES[19]})
OLD_REVISION = "41f0be2c7d9a83e5b6c4d2f1a0e9b8c7d6e5f4a3"
CUDA = "RuntimeError: CUDA error: out of memory while allocating 2.00 GiB for the KV cache"
RADIX = "AssertionError: assert 4095 == 4096\n  +  where 4095 = len(<RadixCache size=4095>)"
OUTPUT = (
    "    def test_fills_the_cache(engine):\n>       engine.generate(PROMPT, max_tokens=4096)\n\n"
    "tests/e2e/test_kv_cache.py:41:\n_ _ _ _\n/opt/engine/worker.py:212: in allocate\n"
    "    self.pool.reserve(blocks)\nE   RuntimeError: CUDA error: out of memory\n"
    "--- captured stderr\nWARNING engine: 31 of 32 blocks in use"
)
_LETTERS = {".": TestResult.PASSED, "F": TestResult.FAILED, "s": TestResult.SKIPPED, "~": TestResult.PASSED}


def test_of(cell: str, node_id: str) -> TestIdentity:
    """`vllm/amd64/unit` and a node id."""
    framework, arch, name = cell.split("/")
    return TestIdentity(framework=framework, arch=arch, stage=name, node_id=node_id)


test_of.__test__ = False  # type: ignore[attr-defined]


def strip(letters: str) -> tuple[NightResult, ...]:
    """`......F`: the last nights, tonight last; shorter ones begin with passes."""
    dates = DATES[-len(letters) :] if len(letters) >= len(DATES) else DATES
    whole = letters.rjust(len(dates), ".")
    return tuple(
        NightResult(date=date, result=None if date in GAPS else _LETTERS.get(letter), flaky=letter == "~")
        for date, letter in zip(dates, whole, strict=True)
    )


def verdict(cell: str, node_id: str, word: str, letters: str, **fields) -> TestVerdict:
    """One verdict, with the nights in a row read off its strip."""
    nights = len(letters) - len(letters.rstrip("F"))
    defaults = {"nights": nights, "since": DATES[-nights] if nights else None, "strip": strip(letters)}
    return TestVerdict(test=test_of(cell, node_id), verdict=Verdict(word), **(defaults | fields))


_CUDA_TESTS = [
    (cell, f"tests/e2e/test_kv_cache.py::test_fills_the_cache[{size}]")
    for cell in ("vllm/amd64/e2e_single_gpu", "vllm/amd64/e2e_multi_gpu", "trtllm/amd64/e2e_single_gpu")
    for size in ("2048", "4096")
]
_RADIX_TEST = ("sglang/amd64/unit", "tests/unit/test_radix_cache.py::test_evicts_the_oldest[lru-4096]")
_FLAKY_TEST = ("sglang/amd64/integration", "tests/integration/test_router.py::test_prefers_the_warm_worker")
_SLOW_TEST = ("trtllm/amd64/integration", "tests/integration/test_model_store.py::test_pulls_a_model")
_KNOWN_TEST = ("vllm/amd64/unit", "tests/unit/test_tokenizer.py::test_keeps_emoji[🙂]")
_FIXED_TEST = ("trtllm/amd64/unit", "tests/unit/test_plan.py::test_reuses_a_plan")


def judgement() -> Judgement:
    """What the past says of the night below."""
    new = {
        "incident": "kv-oom-3f2a",
        "last_good": DATES[-2],
        "last_good_revision": OLD_REVISION,
        "first_bad_revision": REVISION,
        "owners": ("@inference-runtime",),
        "why": f"passed on {DATES[-2]}, fails on tonight's image twice in a row, passes on last night's image",
    }
    verdicts = (
        *(verdict(*test, "new", "F", **new) for test in _CUDA_TESTS),
        verdict(*_RADIX_TEST, "recurring", "FFFF", incident="radix-77c0", last_good=DATES[-5]),
        verdict(*_FLAKY_TEST, "flaky", "~..~....~~..F", why="failed, then passed on the same image digest"),
        verdict(*_SLOW_TEST, "environment", "F", why="fails on last night's image now as well"),
        verdict(*_KNOWN_TEST, "quarantined", "FFFFFFFFFFF", owners=("@tokenizer",)),
        verdict(*_FIXED_TEST, "fixed", "FFF.", since=DATES[-4], nights=3),
    )
    return Judgement(
        compared_with=DATES[-2],
        known_nights=29 - len(GAPS),
        verdicts=verdicts,
        incidents=(_radix(), _cuda()),
        drifts=_drifts(),
        changes=_changes(),
        quarantine=(
            QuarantineNote(
                test=_KNOWN_TEST[1],
                state="active",
                owner="@tokenizer",
                reason="the terminal of the suite has no emoji",
                issue="https://issues.example/812",
                expires="2026-12-01",
                failing=1,
            ),
        ),
        commits=(
            Commit(revision=REVISION, author="Ada Ling", subject="Reserve the KV cache up front"),
            Commit(revision="77aa" * 10, author="Jo Park", subject="Raise torch to 2.13.1"),
        ),
    )


def _cuda() -> Incident:
    return Incident(
        id="kv-oom-3f2a",
        title=CUDA,
        verdict=Verdict.NEW,
        tests=tuple(test_of(*test) for test in _CUDA_TESTS),
        cells=(("vllm", "amd64"), ("trtllm", "amd64")),
        since=DATE,
        nights=1,
        message=f"{CUDA}\n  at engine/worker.py:212 in allocate",
        last_good=DATES[-2],
        last_good_revision=OLD_REVISION,
        first_bad_revision=REVISION,
        owners=("@inference-runtime",),
        suspects=("Ada Ling", "Jo Park"),
    )


def _radix() -> Incident:
    return Incident(
        id="radix-77c0",
        title="AssertionError: assert 4095 == 4096",
        verdict=Verdict.RECURRING,
        tests=(test_of(*_RADIX_TEST),),
        cells=(("sglang", "amd64"),),
        since=DATES[-4],
        nights=4,
        message=RADIX,
        owners=("@sglang-core",),
    )


def _drifts() -> tuple[Drift, ...]:
    cell = {"framework": "vllm", "arch": "amd64", "nights": 26}
    return (
        Drift(what="stage", stage="integration", value=2890, usual=2210, spread=64, unit="s", **cell),
        Drift(what="image_size", value=9.1e9, usual=8.0e9, spread=4e7, unit="bytes", **cell),
        Drift(
            what="test",
            stage="unit",
            name="tests/unit/test_loader.py::test_maps_the_weights",
            value=41,
            usual=12.5,
            spread=0.8,
            unit="s",
            **cell,
        ),
    )


def _changes() -> tuple[ImageChange, ...]:
    return tuple(
        ImageChange(
            framework=framework,
            arch="amd64",
            kind="runtime",
            compared_with=DATES[-2],
            digest_before=digest(framework, "before"),
            digest_after=digest(framework, "amd64", "runtime"),
            base_before=digest("base", "1"),
            base_after=digest("base", "1" if framework != "vllm" else "2"),
            packages=packages,
            size_before=size,
            size_after=round(size * grown),
            build_before_s=4020,
            build_after_s=4020 * grown,
            steps=_steps() if framework == "vllm" else (),
        )
        for framework, size, grown, packages in (
            ("vllm", 8_000_000_000, 1.1375, _packages()),
            ("sglang", 7_400_000_000, 1.0, ()),
            ("trtllm", 12_100_000_000, 0.998, _packages()[:1]),
        )
    )


def _steps() -> tuple[StepChange, ...]:
    return (
        StepChange(name="[framework 5/9] RUN uv pip install vllm", before_s=2110.0, after_s=2574.0),
        StepChange(name="[framework 6/9] COPY patches /opt/patches", before_s=None, after_s=62.0),
    )


def _packages() -> tuple[PackageChange, ...]:
    return (
        PackageChange(name="torch", before="2.13.0", after="2.13.1"),
        PackageChange(name="flashinfer-python", before=None, after="0.6.2"),
        PackageChange(name="xformers", before="0.0.34", after=None),
    )


def judged_night() -> Report:
    """A red night of tests of every verdict, and one image that could not be built."""
    failing = {}
    for cell, node_id in _CUDA_TESTS:
        failing.setdefault(cell, []).append(failure(node_id, CUDA, output=OUTPUT))
    failing[_RADIX_TEST[0]] = [failure(_RADIX_TEST[1], RADIX)]
    failing[_FLAKY_TEST[0]] = [failure(_FLAKY_TEST[1], "TimeoutError: no worker answered in 5.0 s")]
    failing[_SLOW_TEST[0]] = [failure(_SLOW_TEST[1], "ConnectionError: the model store did not answer")]
    failing[_KNOWN_TEST[0]] = [failure(_KNOWN_TEST[1], "AssertionError: assert '?' == '🙂'")]
    report = plausible(
        image(
            "vllm",
            "arm64",
            "runtime",
            "failed",
            duration_s=594.2,
            message="[runtime 4/9] RUN uv pip install vllm\nERROR: No matching distribution for vllm==0.32.0",
            artifacts=artifacts("vllm", "arm64", "runtime_image", "build.log", "metrics.json"),
        ),
        publication("vllm", "arm64", "blocked", message="vllm/arm64/runtime_image is not there"),
        publication("vllm", None, "blocked", message="vllm/arm64/published_image is not there"),
        *(
            stage("vllm", "arm64", name, "blocked", message="vllm/arm64/runtime_image is not there")
            for name in ("unit", "integration", "e2e_single_gpu", "e2e_multi_gpu")
        ),
        *(stage(*cell.split("/"), "failed", failures=tests) for cell, tests in failing.items()),
    )
    return with_judgement(report, judgement())


def plausible(*changed, night: int = len(DATES) - 1) -> Report:
    """A whole night with minutes, sizes and counts as a real fleet has them, a little different every night."""
    report = whole_night(*changed)
    return report.model_copy(
        update={
            "images": tuple(_sized(one, night) for one in report.images),
            "stages": tuple(_counted(one, night) for one in report.stages),
        }
    )


_SIZES = {"vllm": 8.0e9, "sglang": 7.4e9, "trtllm": 12.1e9}
_STAGES = {
    "unit": (6200, 800),
    "integration": (3100, 2300),
    "e2e_single_gpu": (240, 3900),
    "e2e_multi_gpu": (90, 4700),
}


def _wave(*parts: object, night: int, spread: float) -> float:
    """1, more or less: the same for the same parts and night."""
    number = sum(map(ord, "".join(map(str, parts)))) * 37 + night * night * 11 + night * 29
    return 1 + spread * ((number % 101) / 50 - 1)


def _sized(one, night: int):
    if one.size_bytes is None:
        return one
    cell = (one.framework, one.arch, one.kind)
    grown = 1 + 0.0012 * night + (0.1 if night == len(DATES) - 1 and cell[:2] == ("vllm", "amd64") else 0)
    size = _SIZES[one.framework] * (0.92 if one.arch == "arm64" else 1) * grown
    minutes = (38 if one.arch == "arm64" else 29) * _wave(*cell, night=night, spread=0.08)
    return one.model_copy(update={"size_bytes": round(size), "duration_s": minutes * 60})


def _counted(one, night: int):
    if one.status.value in {"blocked", "infra_error"}:
        return one
    tests, seconds = _STAGES[one.stage]
    tests = round(tests * {"vllm": 1.0, "sglang": 0.7, "trtllm": 0.5}[one.framework])
    bad = len(one.failures)
    if one.mode == "collect":
        return one.model_copy(update={"counts": StageCounts(collected=tests), "duration_s": 40.0})
    seconds *= _wave(one.framework, one.stage, night=night, spread=0.06)
    counts = StageCounts(passed=tests - bad - 12, failed=bad, skipped=12, collected=tests)
    return one.model_copy(update={"counts": counts, "duration_s": seconds})


def past() -> tuple[list[NightRow], list[EntryRow]]:
    """The rows of the nights before: three are missing, some red."""
    nights: list[NightRow] = []
    entries: list[EntryRow] = []
    for position, report in _nights():
        moved = _moved(report, DATES[position])
        nights.append(night_row_of(moved))
        entries += [one.model_copy(update={"run_id": moved.run_id}) for one in entry_rows_of(moved)]
    return nights, entries


def _nights() -> Iterable[tuple[int, Report]]:
    for position, date in enumerate(DATES[:-1]):
        if date not in GAPS:
            yield position, plausible(*_changed(position), night=position)


def _changed(position: int) -> list:
    if position in {4, 26, 27, 28}:
        bad = [
            failure(f"tests/unit/test_radix_cache.py::test_{number}") for number in range(position % 7 + 1)
        ]
        return [stage("sglang", "amd64", "unit", "failed", failures=bad)]
    if position == 13:
        return [stage("trtllm", "amd64", "e2e_multi_gpu", "infra_error", message="no GPU")]
    return []


def _moved(report: Report, date: str) -> Report:
    started = datetime.fromisoformat(f"{date}T08:00:00").replace(tzinfo=UTC)
    return report.model_copy(
        update={
            "date": date,
            "run_id": f"{date.replace('-', '')}-aaaa",
            "started_at": started,
            "ended_at": started + timedelta(hours=3, minutes=int(date[-2:])),
        }
    )
