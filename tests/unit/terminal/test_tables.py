from __future__ import annotations

import re
from itertools import takewhile

import pytest
from hypothesis import given, settings

from nightly_pipeline.model.reading import MOCK_NOTE
from nightly_pipeline.model.untrusted import one_line
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings, load_settings
from nightly_pipeline.steps.doctor import Finding, Readiness
from nightly_pipeline.terminal import StatusRow, doctor_table, plan_table, report_tables, status_table
from tests.factories import (
    RUN_ID,
    broken_night,
    failure,
    image,
    night,
    plan,
    planned_stage,
    run_facts,
    stage,
    whole_night,
)
from tests.hostile import hostile_text
from tests.unit.terminal.screens import joined, screen


@pytest.fixture
def production(tmp_path) -> Settings:
    return load_settings("production", environment={}, root=tmp_path)


def squeezed(line: str) -> str:
    return " ".join(line.split())


def row_of(text: str, *words: str) -> str:
    """The one line that begins with the first word and has the others, white space squeezed."""
    lines = [
        line
        for line in text.splitlines()
        if line.startswith(words[0]) and all(word in line for word in words)
    ]
    assert len(lines) == 1, lines
    return squeezed(lines[0])


def unfolded(text: str, column: str, row: str = "unit") -> str:
    """What stands in a column beside a row's name, over as many lines as it took."""
    lines = text.splitlines()
    header = next(line for line in lines if f" {column} " in line)
    start = header.index(f" {column} ") + 1
    end = start + re.match(r"\S+\s+", header[start:]).end()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{row} "))
    further = takewhile(lambda line: line.startswith(" ") and line.strip(), lines[first + 1 :])
    return "".join(line[start:end].strip() for line in [lines[first], *further])


def group_of(text: str, name: str) -> str:
    """The lines below a group's name, up to the next empty line."""
    lines = [line.rstrip() for line in text.splitlines()]
    start = lines.index(name)
    return "\n".join(lines[start + 1 : lines.index("", start)])


def test_the_plan_shows_runner_timeout_and_order_of_every_step(production: Settings) -> None:
    text = screen(plan_table(make_plan(production), production))
    amd64, arm64 = group_of(text, "vllm/amd64"), group_of(text, "vllm/arm64")

    assert (
        row_of(amd64, "framework_image") == "framework_image cpu-amd-m5-4xlarge 150 min build source_revision"
    )
    assert row_of(amd64, "unit") == "unit gpu-l40-amd64 45 min run, 1 GPU runtime_image"
    assert row_of(amd64, "e2e_multi_gpu") == "e2e_multi_gpu gpu-l40-amd64 150 min run, 2 GPUs runtime_image"
    assert row_of(arm64, "unit") == "unit cpu-arm-r8g-4xlarge 15 min collect runtime_image"
    assert "published_image of amd64, arm64" in " ".join(group_of(text, "vllm").split())


def test_the_plan_shows_tags_markers_pools_and_registries(production: Settings) -> None:
    text = screen(plan_table(make_plan(production), production), width=100)

    assert row_of(text, "main-vllm-framework-arm64").split()[1:] == ["vllm/arm64/framework_image", "ecr"]
    assert row_of(text, "nightly-sglang-amd64").split()[1:] == ["sglang/amd64/runtime_image", "ecr,", "acr"]
    assert row_of(text, "nightly-trtllm ").split()[1:] == ["trtllm/multi_arch_image", "ecr,", "acr"]
    assert "e2e_single_gpu  sglang and e2e and gpu_1" in text
    assert row_of(text, "gpu-l40-amd64", "vCPU") == "gpu-l40-amd64 1 12 32 vCPU, 128 GB, 2 x L40 48 GB"
    assert "ecr (builds push here)" in text


def test_the_plan_has_every_step_once(production: Settings) -> None:
    whole = make_plan(production)
    steps = screen(plan_table(whole)).partition("Tags")[0]

    assert sum(line.count(" min  ") for line in steps.splitlines()) == len(whole.images) + len(whole.stages)
    assert "12 images, 9 publications, 24 stages." in screen(plan_table(whole))


def test_the_plan_says_mock_and_partial(production: Settings) -> None:
    partial = plan(frameworks=("vllm",), partial=True)

    assert joined(MOCK_NOTE) in joined(screen(plan_table(partial)))
    assert "Partial: only a selected part of the night." in screen(plan_table(partial))
    assert "MOCK" not in screen(plan_table(make_plan(production), production))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_long_name_folds_and_nothing_is_cut(width: int) -> None:
    runner = "gpu-" + "abcdefghij" * 6
    planned = plan(frameworks=("vllm",), architectures=("amd64",)).model_copy(
        update={"stages": (planned_stage(runner=runner),)}
    )
    shown = screen(plan_table(planned), width)
    told = screen(report_tables(night(stages=[stage(runner=runner, status="collect_error")])), width)

    assert unfolded(shown, "Runner") == unfolded(told, "Runner") == runner
    assert " 45 min " in shown
    assert "✗ collect_error" in told


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_a_report_keeps_every_word_however_narrow(width: int) -> None:
    text = screen(report_tables(broken_night()), width=width)

    assert "✗ no_tests" in text
    assert "? infra_error" in text
    assert "…" not in text
    assert joined("tests/unit/test_radix_cache.py::test_evicts_the_oldest[lru-4096]") in joined(text)


def test_a_report_shows_every_step_with_status_runner_minutes_and_tests() -> None:
    text = screen(report_tables(broken_night()))

    assert (
        row_of(group_of(text, "vllm/arm64"), "runtime_image")
        == "runtime_image ✗ failed cpu-arm-r8g-4xlarge 1.6"
    )
    assert (
        row_of(group_of(text, "trtllm/amd64"), "integration") == "integration ✗ timed_out gpu-l40-amd64 90.0"
    )
    assert row_of(group_of(text, "trtllm/arm64"), "unit").split()[1:3] == ["✓", "collected"]
    assert row_of(group_of(text, "trtllm/arm64"), "unit").endswith("38 collected")


def test_a_report_ends_with_the_verdict() -> None:
    lines = screen(report_tables(broken_night())).splitlines()

    assert lines[-2] == "Nightly 2026-11-20: red"
    assert lines[-1] == "run 1f3a9c02, revision 9c1d5e0f7a3b, engine mock, profile local, took 3 h 12 min"


def test_a_report_says_mock_partial_and_rerun() -> None:
    report = whole_night(runs=[run_facts(partial=True, rerun_of="77777777-aaaa")])
    text = screen(report_tables(report), width=120)

    assert MOCK_NOTE in text
    assert "Partial run: " in text
    assert "Re-run: 1f3a9c02 repeats 77777777." in text
    assert "Nightly 2026-11-20: green, partial run\n" in text


def test_a_report_counts_the_failing_tests_it_leaves_out() -> None:
    failures = [failure(f"a.py::test_{number}") for number in range(14)]
    text = screen(report_tables(night(stages=[stage(status="failed", failures=failures)])))

    assert "a.py::test_9" in text
    assert "a.py::test_10" not in text
    assert "4 more failing tests: see the JUnit file" in text


@settings(max_examples=60, deadline=None)
@given(hostile_text, hostile_text)
def test_no_text_reaches_the_terminal_unescaped(name: str, message: str) -> None:
    failing = stage(status="failed", message=message, failures=[failure(name, message)], runner=name)
    report = night([image(status="failed", message=message)], [failing], profile=name, source_revision=name)
    text = screen(report_tables(report), width=120)

    assert "Nightly 2026-11-20: red\n" in text
    assert joined(one_line(name)[:40]) in joined(text)


def test_markup_is_text() -> None:
    text = screen(
        report_tables(night([image(status="failed", message="[bold red]no[/] [link=x]y[/link] :smile:")]))
    )

    assert "[bold red]no[/] [link=x]y[/link] :smile:" in text


def test_status_shows_a_row_a_run() -> None:
    again = run_facts("cancelled", run_id="77777777-a", partial=True, rerun_of=RUN_ID)
    reports = [broken_night(), whole_night(), night([image(status="cancelled")], runs=[again])]
    text = screen(status_table(StatusRow.of(report) for report in reports), width=110)
    when, note = "11-20 08:00 3 h 12 min", "cancelled, partial, re-run of 1f3a9c02"

    assert [squeezed(line) for line in text.splitlines()[2:]] == [
        f"2026-11-20 1f3a9c02 ✗ red 34 of 45 {when}",
        f"2026-11-20 1f3a9c02 ✓ green 45 of 45 {when}",
        f"2026-11-20 77777777 ? incomplete 0 of 1 {when} {note}",
    ]


def test_status_of_a_running_run_is_not_green_yet() -> None:
    running = whole_night(runs=[run_facts("running")])
    failing = whole_night(image(status="failed"), runs=[run_facts("running")])
    unknown = StatusRow(facts=run_facts("failed"), status=None)
    text = screen(status_table([StatusRow.of(running), StatusRow.of(failing), unknown]))

    assert [line.split()[2:4] for line in text.splitlines()[2:]] == [
        ["…", "running"],
        ["✗", "red"],
        ["?", "unknown"],
    ]


def test_status_fits_eighty_columns_and_without_runs_says_what_to_do() -> None:
    assert "1f3a9c02" in screen(status_table([StatusRow.of(broken_night())]))
    assert screen(status_table([])) == "No run is on record. Start one: nightly run\n"


def test_the_doctor_says_what_is_missing_and_how_to_mend_it() -> None:
    findings = [
        Finding("Docker engine", Readiness.OK, "26.1.5 answers"),
        Finding("arm64 emulation", Readiness.MISSING, "no handler for aarch64", "run: make setup"),
        Finding("disk", Readiness.WARNING, "9 GB free [bold]\x1b[31m", ""),
    ]
    lines = [line.rstrip() for line in screen(doctor_table(findings)).splitlines()[2:]]

    assert lines == [
        "Docker engine    ✓ ok       26.1.5 answers",
        "arm64 emulation  ✗ missing  no handler for aarch64",
        "                            to mend it: run: make setup",
        "disk             ? warning  9 GB free [bold]\\x1b[31m",
    ]
