"""The page of a night with a past: what is new, verdicts, plots, changes, drifts."""

from __future__ import annotations

import re
from collections import Counter

from nightly_pipeline.model.judgement import Judgement
from nightly_pipeline.model.report import with_judgement
from nightly_pipeline.model.trends import Trends, trends_of
from tests.factories import DATE, failure, stage, whole_night
from tests.judged import CUDA, DATES, GAPS, judged_night, judgement
from tests.unit.page.judged_pages import page
from tests.unit.page.pages import section, words


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
