from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from nightly_pipeline.model.links import Links
from nightly_pipeline.model.markdown import (
    CHARACTERS,
    code_block,
    code_span,
    escape_cell,
    report_markdown,
    summary_table,
)
from nightly_pipeline.model.outcomes import EngineFacts
from nightly_pipeline.model.reading import MOCK_NOTE
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.untrusted import one_line, visible
from tests.factories import (
    DATE,
    RUN_ID,
    broken_night,
    failure,
    image,
    night,
    publication,
    run_facts,
    stage,
    whole_night,
)
from tests.hostile import ATTACKS, hostile_text

HEADER = "| Stage | Status | Runner | Duration (min) | Artifacts |"
LINKS = Links(
    artifact=lambda key: f"https://artifacts.example/{key}",
    run=lambda run_id: f"http://127.0.0.1:3000/runs/{run_id}",
    page="https://artifacts.example/report.html",
)


def parse(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(markdown)


def flat(tokens: list[Token]) -> list[Token]:
    return [inner for token in tokens for inner in (token, *flat(token.children or []))]


def rows(markdown: str) -> list[list[str]]:
    """Cells of every table row as a reader sees them, the header among them."""
    found: list[list[str]] = []
    tokens = parse(markdown)
    for position, token in enumerate(tokens):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline" and tokens[position - 1].type in {"td_open", "th_open"}:
            found[-1].append("".join(child.content for child in token.children or []))
    return found


def shape(markdown: str) -> list[str]:
    return [token.type for token in flat(parse(markdown))]


def test_the_table_has_exactly_the_columns_of_the_contract() -> None:
    table = summary_table(whole_night())

    assert table.splitlines()[0] == HEADER
    assert rows(table)[0] == ["Stage", "Status", "Runner", "Duration (min)", "Artifacts"]


def test_the_table_has_one_row_for_each_image_publication_and_stage() -> None:
    report = broken_night()
    body = rows(summary_table(report))[1:]

    assert len(body) == len(report.images) + len(report.stages) + len(report.publications) == 45
    assert len({row[0] for row in body}) == 45


def test_a_row_says_stage_status_runner_minutes_and_artifacts() -> None:
    report = night([image(duration_s=738.0)], [stage(status="timed_out", duration_s=5400.0)])

    assert rows(summary_table(report))[1:] == [
        ["vllm/amd64/runtime_image", "✓ built", "cpu-amd-m5-4xlarge", "12.3", "build.log, metrics.json"],
        ["vllm/amd64/unit", "✗ timed_out", "gpu-l40-amd64", "90.0", "—"],
    ]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (stage(status="infra_error"), "? infra_error"),
        (stage(status="no_tests"), "✗ no_tests"),
        (stage(status="not_run"), "? not_run"),
        (stage(arch="arm64"), "✓ collected"),
    ],
)
def test_the_status_is_the_projects_own_word(outcome, status: str) -> None:
    assert rows(summary_table(night(stages=[outcome])))[1][1] == status


def test_artifacts_and_runs_are_linked() -> None:
    tokens = flat(parse(summary_table(night(stages=[stage()]), LINKS)))
    addresses = [token.attrs["href"] for token in tokens if token.type == "link_open"]

    assert addresses == [
        f"https://artifacts.example/2026-11-20/{RUN_ID}/vllm/amd64/unit/junit.xml",
        f"https://artifacts.example/2026-11-20/{RUN_ID}/vllm/amd64/unit/output.log",
        f"http://127.0.0.1:3000/runs/{RUN_ID}",
    ]


@given(hostile_text, hostile_text)
@example("a | b", "x)>|[y](javascript:alert(1))")
def test_no_text_breaks_the_table(text: str, address: str) -> None:
    report = night(stages=[stage(runner=text, artifacts={text: "key"})])
    table = summary_table(report, Links(artifact=lambda _: "/artifacts/" + address))
    shown = one_line(text).replace("@", "@\u200b")

    assert rows(table)[0] == ["Stage", "Status", "Runner", "Duration (min)", "Artifacts"]
    assert rows(table)[1][:3] == ["vllm/amd64/unit", "✓ passed", shown or "—"]
    assert len(rows(table)) == 2
    # Not only by this parser's rules: no bar stands in a row but the six that make its cells.
    assert [line.count("|") for line in table.splitlines()] == [6, 6, 6]


@given(hostile_text)
def test_no_text_in_a_cell_means_anything(text: str) -> None:
    escaped = escape_cell(text)
    tokens = flat(parse(f"x{escaped}x"))

    assert {token.type for token in tokens} <= {
        "paragraph_open",
        "inline",
        "text",
        "text_special",
        "paragraph_close",
    }
    assert not re.search(r"[<>`|\\*\[\]@~$]|://|www\.", escaped, re.IGNORECASE)


@given(hostile_text)
def test_a_code_span_holds_exactly_its_line(text: str) -> None:
    tokens = flat(parse(f"x {code_span(text)} y"))
    code = [token.content for token in tokens if token.type == "code_inline"]

    assert code == ([one_line(text)] if one_line(text) else [])


@given(hostile_text, st.sampled_from(["", "  "]))
def test_a_code_block_holds_exactly_its_lines(text: str, indent: str) -> None:
    text = visible(text)
    markdown = (
        f"- item\n{code_block(text, indent=indent)}\nafter\n" if indent else f"{code_block(text)}\nafter\n"
    )
    tokens = flat(parse(markdown))
    blocks = [token.content for token in tokens if token.type == "fence"]

    assert [block.expandtabs() for block in blocks] == [f"{text}\n".expandtabs()]
    assert tokens[-2].content == "after"


@given(hostile_text.filter(one_line), hostile_text.filter(lambda text: text.strip()))
def test_untrusted_text_does_not_change_the_shape_of_the_report(test: str, message: str) -> None:
    def report(test: str, message: str) -> Report:
        failing = stage(status="failed", failures=[failure(test, message)], message=message)
        return night([image(status="failed", message=message)], [failing])

    assert shape(report_markdown(report(test, message))) == shape(report_markdown(report("test", "message")))


@pytest.mark.parametrize("attack", ATTACKS)
def test_there_is_no_tag_and_no_foreign_link_in_a_report(attack: str) -> None:
    report = broken_night(profile=attack, source_revision=attack)
    report = report.model_copy(
        update={
            "stages": (*report.stages, stage("vllm", attack, attack, "failed", runner=attack, message=attack))
        }
    )
    tokens = flat(parse(report_markdown(report, LINKS)))

    assert not [token for token in tokens if token.type in {"html_block", "html_inline", "image"}]
    for link in (token for token in tokens if token.type == "link_open"):
        assert str(link.attrs["href"]).startswith(
            ("https://artifacts.example/", "http://127.0.0.1:3000/runs/")
        )


def test_the_verdict_stands_in_the_heading() -> None:
    assert report_markdown(whole_night()).startswith("# Nightly 2026-11-20: green\n")
    assert report_markdown(broken_night()).startswith("# Nightly 2026-11-20: red\n")
    assert report_markdown(night()).startswith("# Nightly 2026-11-20: incomplete\n")


def test_a_mock_engine_is_said_loudly_and_a_real_one_is_not_called_mock() -> None:
    real = EngineFacts(kind="real", name="vllm", version="0.32.0")

    assert f"> **{MOCK_NOTE}**" in report_markdown(whole_night())
    assert "mock" not in report_markdown(night([image(engine=real)], engine="real")).lower()


def test_partial_runs_and_reruns_say_so() -> None:
    report = whole_night(runs=[run_facts(partial=True, rerun_of="77777777-aaaa")])
    text = report_markdown(report)

    assert text.startswith("# Nightly 2026-11-20: green, partial run\n")
    assert "> Partial run: " in text
    assert "> Re-run: 1f3a9c02 repeats 77777777." in text


def test_problems_stand_before_the_table_and_a_green_night_has_none() -> None:
    text = report_markdown(broken_night())

    assert text.index("## Problems (5)") < text.index(HEADER) < text.index("## Counts")
    assert "## Problems" not in report_markdown(whole_night())


def test_a_problem_shows_its_message_and_its_failing_tests() -> None:
    failing = failure(
        "tests/test_a.py::test_b[x-1]", "assert 1 == 2\n  where 1 = f()", verdict="new", since="2026-11-20"
    )
    text = report_markdown(
        night(stages=[stage(status="failed", message="1 test failed", failures=[failing])])
    )

    assert "### ✗ vllm/amd64/unit: failed\n\n```text\n1 test failed\n```\n" in text
    assert "- `tests/test_a.py::test_b[x-1]` (new, since 2026-11-20)\n  ```text\n  assert 1 == 2\n" in text


def test_what_follows_from_a_problem_is_listed_apart() -> None:
    text = report_markdown(broken_night())

    assert "### 6 not tried, because of the above\n" in text
    assert "- vllm/arm64/unit: blocked (`vllm/arm64/runtime_image is not there`)\n" in text


def test_counts_are_those_of_the_report() -> None:
    text = report_markdown(broken_night())

    assert "- Images: 11 built, 1 failed\n" in text
    assert "- Publications: 7 published, 2 blocked\n" in text
    assert (
        "- Stages: 8 passed, 8 collected, 1 failed, 1 no_tests, 1 timed_out, 1 infra_error, 4 blocked\n"
        in text
    )
    assert "- Tests: 324 passed, 2 failed, 18 skipped; dry runs collected 304\n" in text


def test_failing_tests_beyond_the_first_are_counted() -> None:
    failures = [failure(f"tests/test_a.py::test_{number}") for number in range(25)]
    text = report_markdown(night(stages=[stage(status="failed", failures=failures)]))

    assert "`tests/test_a.py::test_19`" in text
    assert "test_20`" not in text
    assert "- 5 more failing tests: see the JUnit file.\n" in text


def test_thousands_of_failures_stay_within_a_comments_limit() -> None:
    huge = [failure(f"tests/test_a.py::test_{number}", "line\n" * 500) for number in range(3_000)]
    stages = [stage("vllm", "amd64", f"stage{number}", "failed", failures=huge) for number in range(40)]
    text = report_markdown(night([image(), image(kind="framework")], stages, [publication()]))
    shown = text.count("### ✗")

    assert len(text) <= CHARACTERS
    assert f"{40 - shown} more problems: see the table.\n" in text
    assert 0 < shown < 40
    assert len(rows(text)) == 1 + 43
    assert "## Counts" in text


def test_the_merged_junit_of_the_night_is_linked() -> None:
    merged = {"junit": f"{DATE}/run/junit.xml", "junit-vllm": f"{DATE}/run/junit-vllm.xml"}
    text = report_markdown(whole_night(artifacts=merged), LINKS)
    [line] = [line for line in text.splitlines() if line.startswith("- Whole night: ")]

    assert line.count("](<") == 2
    assert f"[junit-vllm](<{LINKS.artifact(merged['junit-vllm'])}>)" in line
    assert "Whole night" not in report_markdown(whole_night(), LINKS)
