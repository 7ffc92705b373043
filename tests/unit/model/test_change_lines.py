from __future__ import annotations

from nightly_pipeline.model.change_lines import drift_line, image_lines
from nightly_pipeline.model.judgement import Drift, ImageChange, Judgement, PackageChange, StepChange

CELL = {"framework": "vllm", "arch": "amd64", "kind": "runtime", "compared_with": "2026-11-21"}


def lines(**fields) -> tuple[str, ...]:
    return image_lines(Judgement(changes=(ImageChange(**CELL, **fields),)))


def test_an_image_is_told_with_all_that_changed_in_it():
    packages = (
        PackageChange(name="torch", before="2.8", after="2.9"),
        PackageChange(name="numpy", before=None, after="2.4"),
        PackageChange(name="old", before="1", after=None),
    )
    steps = (
        StepChange(name="[install] RUN make", before_s=60.0, after_s=180.0),
        StepChange(name="[install] RUN fetch", before_s=None, after_s=30.0),
    )
    (line,) = lines(
        base_before="sha256:" + "a" * 64,
        base_after="sha256:" + "b" * 64,
        packages=packages,
        size_before=8_000_000_000,
        size_after=9_100_000_000,
        build_before_s=600.0,
        build_after_s=750.0,
        steps=steps,
    )
    assert line == (
        "vllm/amd64 runtime image: base sha256:aaaaaaaaaaaa → sha256:bbbbbbbbbbbb; "
        "3 packages: torch 2.8 → 2.9, + numpy 2.4, - old 1; 8.0 GB → 9.1 GB; built in 10 min 0 s → 12 min 30 s; "
        "[install] RUN make 1 min 0 s → 3 min 0 s, [install] RUN fetch cached → 30.0 s"
    )


def test_what_only_has_another_digest_or_is_not_known_is_no_line():
    assert lines(digest_before="sha256:1", digest_after="sha256:2") == ()
    assert lines(size_before=1000, size_after=1001, build_before_s=600.0, build_after_s=700.0) == ()
    assert lines(base_after="sha256:1", size_after=5, build_after_s=3.0) == ()


def test_many_packages_are_counted_and_some_named():
    (line,) = lines(packages=tuple(PackageChange(name=f"p{at}", before="1", after="2") for at in range(20)))
    assert line.endswith("20 packages: " + ", ".join(f"p{at} 1 → 2" for at in range(6)) + ", 14 more")


def test_text_from_outside_stays_one_line():
    (line,) = lines(packages=(PackageChange(name="a\nb\x1b[31m", before="1", after="2"),))
    assert "\n" not in line
    assert "\x1b" not in line


def test_a_drift_says_what_is_usual():
    drift = Drift(
        what="build_step", framework="vllm", arch="amd64", name="[install] RUN make", value=720.0,
        usual=240.0, spread=3.0, unit="s", nights=14,
    )  # fmt: skip
    assert drift_line(drift) == (
        "build step vllm/amd64 [install] RUN make: 12 min 0 s, usually 4 min 0 s over 14 nights"
    )
    assert "crept to" in drift_line(drift.model_copy(update={"slow": True}))
