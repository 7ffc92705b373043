"""The page of a night with a past: incidents, verdicts, strips, plots, changes, drifts."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from lxml import html

from nightly_pipeline.model.history import EntryRow
from nightly_pipeline.model.judgement import Commit, Judgement, PackageChange, StepChange, Verdict
from nightly_pipeline.model.links import Links
from nightly_pipeline.model.report import Report, with_judgement
from nightly_pipeline.model.step_incidents import step_incidents
from nightly_pipeline.model.trends import Trends, trends_of
from nightly_pipeline.page import render_page
from tests.factories import DATE, failure, stage, whole_night
from tests.hostile import ATTACKS, hostile_text
from tests.judged import CUDA, DATES, GAPS, judged_night, judgement, past, test_of, verdict

NOW = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)
LINKS = Links(artifact=lambda key: f"https://artifacts.example/{key}", nights="../../index.html")


@pytest.fixture(scope="module")
def tree() -> html.HtmlElement:
    report = judged_night()
    return page(report, trends_of(report, *past()))


def page(report: Report, trends: Trends | None = None) -> html.HtmlElement:
    text = render_page(report, links=LINKS, generated_at=NOW, trends=trends)
    return html.document_fromstring(text)


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def section(tree: html.HtmlElement, name: str) -> html.HtmlElement | None:
    return next(iter(tree.xpath(f"//section[@aria-labelledby='{name}']")), None)


def test_what_is_new_stands_first_then_what_is_broken_then_what_was_there_before(tree) -> None:
    lines = [words(one) for one in section(tree, "news").xpath(".//li")]

    assert lines[0] == f"N new {CUDA} 6 tests in vllm/amd64, trtllm/amd64, since tonight · @inference-runtime"
    assert lines[1].startswith("✗ failed vllm/arm64/runtime_image [runtime 4/9]")
    assert lines[2].startswith(
        "R recurring AssertionError: assert 4095 == 4096 test_evicts_the_oldest[lru-4096] in sglang/amd64/unit, "
        "since 2026-11-17 (4 nights)"
    )
    assert [re.sub(r".*amd64/\w+ ", "", line) for line in lines[3:6]] == [
        "1 quarantined",
        "1 flaky",
        "1 environment",
    ]


def test_every_verdict_is_counted_on_top_and_leads_to_its_tests(tree) -> None:
    chips = tree.xpath("//p[@class='chips']/a[starts-with(@class, 'verdict-')]")

    assert [words(one) for one in chips] == [
        "N 6 new",
        "R 1 recurring",
        "~ 1 flaky",
        "E 1 environment",
        "✓ 1 fixed",
        "Q 1 quarantined",
    ]
    assert [tree.xpath(f"//*[@id='{one.get('href')[1:]}']")[0].tag for one in chips] == ["h3"] * 6


def test_incidents_say_what_where_since_when_who_and_between_which_commits(tree) -> None:
    first, second = section(tree, "incidents").xpath(".//article")

    assert words(first.find("h3")) == f"N new {CUDA}"
    facts = {words(one.find("dt")): words(one.find("dd")) for one in first.xpath(".//dl/div")}
    assert facts == {
        "Cells": "vllm/amd64, trtllm/amd64",
        "Owner": "@inference-runtime",
        "Last good": "2026-11-19 at 41f0be2c7d9a",
        "First bad": "2026-11-20 at 9c1d5e0f7a3b",
        "Commits since then by": "Ada Ling, Jo Park",
        "Id": "kv-oom-3f2a",
    }
    stages = "vllm/amd64/e2e_single_gpu, vllm/amd64/e2e_multi_gpu, trtllm/amd64/e2e_single_gpu"
    assert first.xpath(".//details[1]/pre/text()")[0].splitlines() == [
        f"tests/e2e/test_kv_cache.py::test_fills_the_cache[{size}]  {stages}" for size in ("2048", "4096")
    ]
    assert words(second.find("h3")).startswith("R recurring")


def test_sections_come_in_the_order_in_which_a_person_asks(tree) -> None:
    names = [one.get("aria-labelledby") for one in tree.xpath("//main/section")]
    groups = [one.get("aria-labelledby") for one in section(tree, "tests").xpath("./section")]

    assert names[:8] == [
        "news",
        "matrix",
        "incidents",
        "problems",
        "tests",
        "quarantine",
        "trends",
        "changes",
    ]
    assert groups == [
        f"tests-{word}" for word in ("new", "recurring", "flaky", "environment", "fixed", "quarantined")
    ]


def test_a_strip_has_its_words_and_tells_failures_by_their_shape(tree) -> None:
    [strip] = section(tree, "tests-recurring").find_class("strip")
    paths = {one.get("class"): one.get("d") for one in strip.xpath("./path")}

    assert words(strip) == "30 nights to 2026-11-20: 23 passed, 4 failed, 3 did not run"
    assert strip.get("role") == "img"
    assert paths["failed"].count("v12") == 4
    assert paths["passed"].count("v4") == 23


def test_a_tests_story_and_its_incident_are_told(tree) -> None:
    new = section(tree, "tests-new")

    assert new.xpath(".//a[@href='#incident-kv-oom-3f2a']/text()") == ["kv-oom-3f2a"]
    assert tree.xpath("//*[@id='incident-kv-oom-3f2a']")
    assert "Why failed, then passed on the same image digest" in " ".join(
        words(one) for one in section(tree, "tests-flaky").xpath(".//dt | .//dd")
    )
    assert words(section(tree, "tests-fixed").find_class("known")[0]) == "was bad since 2026-11-17"


def test_the_matrix_says_what_the_failures_of_a_stage_are(tree) -> None:
    steps = {one.get("title").split(":")[0]: words(one) for one in tree.find_class("step")}

    assert steps["vllm/amd64/e2e_single_gpu"].startswith("✗ failed 2 new · ")
    assert steps["sglang/amd64/integration"].startswith("✗ failed 1 flaky · ")
    assert steps["vllm/amd64/integration"].startswith("✓ passed 3,088 tests · ")


def test_plots_are_named_described_and_their_figures_are_a_table(tree) -> None:
    charts = tree.find_class("chart")

    assert [words(one.find("figcaption")) for one in charts] == [
        "Pass rate",
        "Build time, both images",
        "Runtime image size",
        "Duration of unit",
        "Duration of integration",
        "Duration of e2e_single_gpu",
        "Duration of e2e_multi_gpu",
        "Duration of the night",
    ]
    picture = charts[0].find("svg")
    assert tree.xpath(f"//*[@id='{picture.get('aria-labelledby')}']/text()") == ["Pass rate"]
    [summary] = tree.xpath(f"//*[@id='{picture.get('aria-describedby')}']")
    assert words(summary).startswith(
        "2026-10-22 to 2026-11-20. Tonight: vllm 99.94 %, not whole (usually 100 %);"
    )
    assert words(summary).endswith(f"No night on {', '.join(sorted(GAPS))}.")
    rows = [[words(cell) for cell in row] for row in charts[0].xpath(".//tbody/tr")]
    assert [row[0] for row in rows] == list(reversed(DATES))
    assert [row[1] for row in rows if row[0] in GAPS] == ["no night"] * 3
    assert rows[0][1:] == ["99.94 %, not whole", "99.97 %", "99.93 %"]


def test_no_line_is_drawn_over_a_missing_night(tree) -> None:
    chart = tree.find_class("chart")[2]
    lines = chart.xpath("./svg/g/path[1]/@d")

    assert len(chart.find_class("gap")) == 3
    # Two holes in the month: three pieces each; vllm/arm64 has no image tonight.
    assert [line.count("M") for line in lines] == [3] * 6
    assert [len(re.findall("[ML]", line)) for line in lines] == [27, 26, 27, 27, 27, 27]


def test_hovering_a_night_says_its_date_and_values(tree) -> None:
    titles = [one.text_content() for one in tree.find_class("chart")[0].find_class("hit")]

    assert len(titles) == 30
    assert titles[0].splitlines() == ["2026-10-22", "vllm 100 %", "sglang 100 %", "trtllm 100 %"]
    assert titles[7] == f"{DATES[7]}\nno night"


def test_what_changed_names_commits_digests_bases_packages_sizes_and_times(tree) -> None:
    changes = section(tree, "changes")
    rows = [[words(cell) for cell in row] for row in changes.xpath(".//tbody/tr")]

    assert [words(one) for one in changes.xpath(".//ul[@class='commits']/li")] == [
        "9c1d5e0f7a3b Reserve the KV cache up front Ada Ling",
        "77aa77aa77aa Raise torch to 2.13.1 Jo Park",
    ]
    assert rows[0][3] == "8.0 GB → 9.1 GB +13.7 %"
    assert rows[0][4] == (
        "1 h 7 min → 1 h 16 min +13.7 %2 steps[framework 5/9] RUN uv pip install vllm 35 min 10 s → 42 min 54 s"
        "[framework 6/9] COPY patches /opt/patches cached → 1 min 2 s"
    )
    assert rows[0][5] == "3 packagestorch 2.13.0 → 2.13.1+ flashinfer-python 0.6.2- xformers 0.0.34"
    assert rows[1][2:] == ["same", "7.4 GB", "1 h 7 min", "—"]


def test_the_quarantine_says_what_until_when_and_why(tree) -> None:
    [row] = [[words(cell) for cell in row] for row in section(tree, "quarantine").xpath(".//tbody/tr")]

    assert row == [
        "tests/unit/test_tokenizer.py::test_keeps_emoji[🙂]",
        "active",
        "1",
        "@tokenizer",
        "the terminal of the suite has no emoji https://issues.example/812",
        "2026-12-01",
    ]


def test_an_incident_of_steps_stands_once_and_says_since_when_beside_the_step() -> None:
    message = "the daemon of gpu-l40-amd64 did not answer"
    lost = [stage("vllm", "amd64", name, "infra_error", message=message) for name in ("unit", "integration")]
    incident = step_incidents(whole_night(*lost), ())[0].model_copy(
        update={"nights": 3, "since": "2026-11-18"}
    )
    tree = page(with_judgement(whole_night(*lost), Judgement(incidents=(incident,))))

    assert [words(one) for one in section(tree, "news").xpath(".//li")] == [
        f"? infra_error vllm/amd64/unit and 1 other step {message} · since 2026-11-18 (3 nights)"
    ]
    assert section(tree, "incidents") is None
    first, second = section(tree, "problems").xpath(".//article")
    assert words(first.find_class("known")[0]) == "since 2026-11-18 (3 nights)"
    assert [words(one) for one in first.xpath("./pre")] == [message]
    assert second.xpath("./pre") == []
    assert second.find_class("same")[0].xpath("./a/@href") == ["#vllm-amd64-unit"]


def test_many_incidents_are_folded_and_still_reached() -> None:
    names = [f"tests/test_a.py::test_{number}" for number in range(40)]
    incidents = tuple(
        judgement()
        .incidents[0]
        .model_copy(update={"id": f"i{number}", "tests": (test_of("vllm/amd64/unit", name),)})
        for number, name in enumerate(names)
    )
    failing = stage("vllm", "amd64", "unit", "failed", failures=[failure(name) for name in names])
    tree = page(with_judgement(whole_night(failing), Judgement(incidents=incidents)))

    folded = section(tree, "incidents").xpath("./details")[0]
    assert words(folded.xpath("./summary")[0]) == "28 more incidents"
    assert len(folded.xpath("./article")) == 28
    more = section(tree, "news").xpath(".//li")[-1]
    assert words(more) == "34 more"
    assert tree.get_element_by_id(more.xpath("./a/@href")[0].removeprefix("#")).tag == "article"


def test_a_green_night_with_drifts_says_so_at_the_top() -> None:
    drifted = page(with_judgement(whole_night(), Judgement(drifts=judgement().drifts)))
    [chip] = section(drifted, "news").find_class("drifted")

    assert words(chip) == "Out of the usual range 3"
    assert chip.get("href") == "#drifts"
    assert section(page(with_judgement(whole_night(), Judgement())), "news") is None


def test_drifts_are_listed_the_largest_first(tree) -> None:
    rows = [[words(cell) for cell in row] for row in section(tree, "drifts").xpath(".//tbody/tr")]

    assert [row[0] for row in rows] == ["test", "stage", "image size"]
    assert rows[1] == [
        "stage",
        "vllm/amd64/integration",
        "48 min 10 s",
        "▲ +30.8 %",
        "36 min 50 s ± 1 min 4 s over 26 nights",
    ]


def test_the_page_leads_to_all_nights_and_to_the_merged_junit() -> None:
    report = judged_night().model_copy(update={"artifacts": {"junit": f"{DATE}/run/junit.xml"}})
    tree = page(report)

    assert tree.xpath("//header//a/@href") == [
        "../../index.html",
        f"https://artifacts.example/{DATE}/run/junit.xml",
    ]


def test_how_long_a_night_usually_takes_stands_beside_how_long_it_took(tree) -> None:
    assert "Took 3 h 12 min usually 3 h 12 min" in words(tree.find(".//header"))


def test_every_link_inside_the_page_leads_somewhere_and_every_name_is_there_once(tree) -> None:
    names = Counter(tree.xpath("//@id"))

    assert max(names.values()) == 1
    assert {one[1:] for one in tree.xpath("//a/@href") if one.startswith("#")} <= set(names)
    assert {*tree.xpath("//@aria-labelledby"), *tree.xpath("//@aria-describedby")} <= set(names)


def test_a_history_that_cannot_be_read_is_said_and_hides_nothing_else() -> None:
    tree = page(judged_night(), Trends(problem="The history could not be read: the disk is full"))

    assert "The history could not be read: the disk is full" in words(section(tree, "trends"))
    assert not section(tree, "trends").find_class("chart")
    assert section(tree, "incidents") is not None


def test_the_first_night_of_all_says_that_there_is_nothing_to_compare_with() -> None:
    report = with_judgement(whole_night(stage(status="failed", failures=[failure()])), Judgement())
    tree = page(report, trends_of(report, [], []))

    assert "There is no earlier night" in words(section(tree, "tests"))
    assert "1 night of 30 is on record" in words(section(tree, "trends"))
    assert section(tree, "changes") is None


def test_thousands_of_judged_failures_are_all_there_and_the_page_stays_light() -> None:
    names = [f"tests/test_{number % 200}.py::test_case[{number}]" for number in range(13_500)]
    failures = [failure(name, f"AssertionError: case {name}") for name in names]
    verdicts = tuple(verdict("vllm/amd64/unit", name, "new", "F") for name in names)
    report = whole_night(stage(status="failed", failures=failures))
    tree = page(with_judgement(report, Judgement(compared_with=DATES[-2], verdicts=verdicts)))

    assert len(set(re.findall(r"test_case\[\d+\]", section(tree, "tests").text_content()))) == 13_500
    assert sum(1 for _ in tree.iter()) < 10_000


@settings(max_examples=60, deadline=None)
@given(hostile_text.filter(str.strip))
def test_no_text_of_the_past_becomes_an_element(text: str) -> None:
    shown, plain = (
        page(_with_text(one), trends_of(_with_text(one), [], _rows(one))) for one in (text, "plain")
    )

    assert Counter(one.tag for one in shown.iter()) == Counter(one.tag for one in plain.iter())
    assert Counter(name for one in shown.iter() for name in one.attrib) == Counter(
        name for one in plain.iter() for name in one.attrib
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_script_of_an_incident_or_author_survives(attack: str) -> None:
    tree = page(_with_text(attack), trends_of(_with_text(attack), [], _rows(attack)))

    assert len(tree.xpath("//script")) == 1
    assert not [name for one in tree.iter() for name in one.attrib if name.startswith("on")]
    assert not [one for one in tree.xpath("//@href") if one.lower().startswith("javascript:")]


def _rows(text: str) -> list[EntryRow]:
    name = f"stage {text}"
    return [
        EntryRow(
            date=date, run_id=text, framework=f"f {text}", arch="amd64", name=name, status="passed", good=True
        ).model_copy(update={"duration_s": 3.0, "passed": 4})
        for date in DATES[-3:-1]
    ]


def _with_text(text: str) -> Report:
    """The past of a night with this text wherever text can come in."""
    base = judgement()
    test = test_of("vllm/amd64/unit", f"t {text}")
    words_ = {"why": text, "owners": (text,), "last_good_revision": text, "incident": text}
    incident = base.incidents[0].model_copy(
        update={
            "id": text,
            "title": f"t {text}",
            "message": f"first\n{text}",
            "tests": (test,),
            "owners": (text,),
            "suspects": (text,),
            "last_good_revision": text,
        }
    )
    judged = base.model_copy(
        update={
            "quarantine": (
                base.quarantine[0].model_copy(update={"test": text, "reason": text, "owner": text}),
            ),
            "verdicts": (verdict("vllm/amd64/unit", f"t {text}", "new", "F", **words_),),
            "incidents": (incident,),
            "drifts": (base.drifts[2].model_copy(update={"name": f"n {text}"}),),
            "commits": (Commit(revision=text, author=text, subject=text),),
            "changes": (
                base.changes[0].model_copy(
                    update={
                        "packages": (PackageChange(name=text, before=text, after=None),),
                        "base_after": text,
                        "steps": (StepChange(name=text, before_s=1.0, after_s=200.0),),
                    }
                ),
            ),
        }
    )
    failing = failure(f"t {text}", f"first\n{text}", output=f"o {text}")
    return with_judgement(whole_night(stage(status="failed", failures=[failing])), judged)


def test_the_text_above_reaches_the_page() -> None:
    tree = page(_with_text("a-mark"), trends_of(_with_text("a-mark"), [], _rows("a-mark")))

    assert words(tree.find(".//body")).count("a-mark") > 20
    assert Verdict.NEW in {one.verdict for one in _with_text("x").judgement.verdicts}


def same_message(*outputs: str | None, verdict_of: str = "new") -> html.HtmlElement:
    """Tests with one message in two stages; returns what the page shows of them."""
    names = [f"tests/test_a.py::test_{number}" for number in range(len(outputs))]
    cells = ["vllm/amd64/unit" if number % 2 == 0 else "sglang/amd64/unit" for number in range(len(outputs))]
    failing = [failure(name, CUDA, output=output) for name, output in zip(names, outputs, strict=True)]
    verdicts = tuple(verdict(cell, name, verdict_of, "F") for cell, name in zip(cells, names, strict=True))
    report = whole_night(
        stage("vllm", "amd64", "unit", "failed", failures=failing[0::2]),
        stage("sglang", "amd64", "unit", "failed", failures=failing[1::2]),
    )
    tree = page(with_judgement(report, Judgement(verdicts=verdicts)))
    [group] = section(tree, "tests").find_class("tests")
    return group


def test_tests_of_one_message_lead_to_the_log_and_junit_of_each_of_their_stages() -> None:
    links = [words(one) for one in same_message("a", "b", "c").xpath("./p[@class='meta']")]

    assert links == ["vllm/amd64/unit junit.xml · output.log", "sglang/amd64/unit junit.xml · output.log"]


def test_each_test_shows_what_it_left_behind_and_what_is_the_same_stands_once() -> None:
    apart = same_message("one", "two", None)
    assert [words(one) for one in apart.xpath(".//li/details/pre")] == ["one", "two"]
    assert apart.xpath("./details") == []

    alike = same_message("same", "same", "same")
    assert [words(one) for one in alike.xpath("./details/*")] == ["Output, the same of all", "same"]
    assert alike.xpath(".//li/details") == []


def test_a_test_that_cannot_be_compared_is_not_said_to_be_bad_since_tonight() -> None:
    assert same_message("a", "b", verdict_of="unknown").find_class("known") == []
    assert len(same_message("a", "b").find_class("known")) == 2


@pytest.mark.parametrize(("stages", "lines", "more"), [(6, 6, 0), (7, 7, 0), (8, 6, 2)])
def test_what_matters_is_bounded_and_never_hides_a_single_line(stages: int, lines: int, more: int) -> None:
    cells = [
        (framework, name) for name in ("unit", "integration") for framework in ("vllm", "sglang", "trtllm")
    ]
    cells += [("vllm", "e2e_single_gpu"), ("sglang", "e2e_single_gpu")]
    lost = [
        stage(framework, "amd64", name, "infra_error", message=f"lost {framework} {name}")
        for framework, name in cells[:stages]
    ]
    found = [words(one) for one in section(page(whole_night(*lost)), "news").xpath(".//li")]

    assert len([line for line in found if "infra_error" in line]) == lines
    assert [line for line in found if line.endswith(" more")] == ([f"{more} more"] if more else [])
