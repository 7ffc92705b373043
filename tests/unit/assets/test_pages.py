"""The pages as the summary keeps them, with a real history in a folder: present, empty, broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from nightly_pipeline.assets.links import links_of, shared_links
from nightly_pipeline.assets.pages import keep_index, page_of
from nightly_pipeline.assets.summary import keep_report
from nightly_pipeline.model.links import NO_LINKS
from nightly_pipeline.model.markdown import report_markdown
from nightly_pipeline.settings import Settings, load_settings
from nightly_pipeline.settings_sections import ArtifactSettings
from nightly_pipeline.stores import open_history, open_records
from tests.factories import DATE
from tests.judged import DATES, GAPS, judged_night, past


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings("local", environment={}, root=tmp_path)


def remember(settings: Settings) -> None:
    history, (nights, entries) = open_history(settings), past()
    for night in nights:
        history.write(night, [one for one in entries if one.date == night.date], ())


def test_a_night_is_shown_beside_the_nights_that_are_remembered(settings: Settings) -> None:
    remember(settings)
    text = page_of(judged_night(), settings, NO_LINKS)

    assert f"{len(DATES) - len(GAPS)} nights of 30 are on record" in text
    assert "All nights" not in text


ADDRESSES = re.compile(r'href="(?!#)([^"]*)"')
MARKDOWN_ADDRESSES = re.compile(r"\]\(<([^>]*)>\)")


def with_artifacts(settings: Settings, **fields: str) -> Settings:
    return settings.model_copy(update={"artifacts": ArtifactSettings(**fields)})


def folder_of_the_run(settings: Settings) -> Path:
    report = judged_night()
    return settings.artifacts_root / report.date / report.run_id


def kept_files(settings: Settings) -> dict[str, str]:
    records, report = open_records(settings), judged_night()
    for outcome in (*report.images, *report.stages):
        for key in outcome.artifacts.values():
            records.store.write(key, b"there")
    keep_report(report, settings, records)
    folder = folder_of_the_run(settings)
    return {name: (folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md")}


@pytest.mark.parametrize(("name", "links"), [("report.html", ADDRESSES), ("report.md", MARKDOWN_ADDRESSES)])
def test_what_is_kept_leads_to_what_is_kept_beside_it_wherever_that_is(
    settings: Settings, tmp_path: Path, name: str, links: re.Pattern[str]
) -> None:
    """The artifacts moved elsewhere, as a web server, a copy or a bucket has them: every link still leads there."""
    text = kept_files(settings)[name]
    elsewhere = tmp_path / "elsewhere"
    settings.artifacts_root.rename(elsewhere)
    found = {one for one in links.findall(text) if not one.startswith(settings.dagster_url)}

    assert len(found) > 50
    assert str(tmp_path) not in text
    folder = elsewhere / folder_of_the_run(settings).relative_to(settings.artifacts_root)
    assert [one for one in found if not (folder / one).is_file()] == []


def test_a_kept_page_leads_to_the_list_of_nights_beside_it(settings: Settings) -> None:
    assert 'href="../../index.html"' in kept_files(settings)["report.html"]


def test_where_artifacts_are_served_every_link_leads_there(settings: Settings) -> None:
    served = with_artifacts(settings, address="https://nights.example/a b/")
    text = kept_files(served)["report.html"]
    root = "https://nights.example/a%20b"
    report = judged_night()

    assert f'href="{root}/index.html"' in text
    assert f'href="{root}/{report.date}/{report.run_id}/vllm/amd64/unit/junit.xml"' in text
    index = (settings.artifacts_root / "index.html").read_text(encoding="utf-8")
    assert f'href="{root}/{report.date}/{report.run_id}/report.html"' in index


def test_addresses_that_are_no_place_of_the_web_are_refused(settings: Settings) -> None:
    for address in ("/srv/nights", "https://user:secret@nights.example", "javascript:alert(1)"):
        with pytest.raises(ValidationError):
            with_artifacts(settings, address=address)


def test_a_message_leads_to_the_nights_page_once_there_is_one(settings: Settings) -> None:
    served = with_artifacts(settings, address="https://nights.example")
    report = judged_night()
    page = f"https://nights.example/{report.date}/{report.run_id}/report.html"

    assert links_of(served, open_records(served), report).page == page
    running = report.model_copy(update={"running": True})
    assert links_of(served, open_records(served), running).page is None


def test_without_a_history_there_is_tonight_alone(settings: Settings) -> None:
    assert "1 night of 30 is on record" in page_of(judged_night(), settings, NO_LINKS)


def test_a_broken_history_is_told_and_fails_nothing(settings: Settings) -> None:
    settings.history_root.parent.mkdir(parents=True, exist_ok=True)
    settings.history_root.write_text("a file where the folder should be")
    records = open_records(settings)
    kept = keep_report(judged_night(), settings, records)

    assert "</html>" in Path(kept["report.html"]).read_text(encoding="utf-8")
    assert "</html>" in Path(kept["index.html"]).read_text(encoding="utf-8")


def test_a_damaged_night_of_the_history_is_told_on_the_page(settings: Settings) -> None:
    remember(settings)
    damaged = max(settings.history_root.rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:100])

    assert "The past is not known whole" in page_of(judged_night(), settings, NO_LINKS)


def test_the_list_is_kept_at_the_root_and_leads_to_the_nights_page(settings: Settings) -> None:
    remember(settings)
    records, report = open_records(settings), judged_night()
    kept = keep_report(report, settings, records)
    index = settings.artifacts_root / "index.html"

    assert kept["index.html"] == str(index)
    text = index.read_text(encoding="utf-8")
    assert f'<a href="{DATE}/{report.run_id}/report.html">{DATE}</a>' in text
    assert (settings.artifacts_root / DATE / report.run_id / "report.html").exists()
    assert text.count("no night on record") == len(GAPS)
    assert [one.isoformat() for one in records.store.dates()] == [DATE]


def test_a_list_that_cannot_be_written_fails_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = open_records(settings)

    def refuse(key: str, content: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(records.store, "write", refuse)
    assert keep_index(settings, records) is None


def test_links_of_a_report_lead_to_dagster_and_the_artifacts(settings: Settings) -> None:
    links = links_of(settings, open_records(settings), judged_night())

    assert links.run("abc") == f"{settings.dagster_url}/runs/abc"
    assert str(links.artifact(f"{DATE}/x")).endswith(f"{DATE}/x")


def test_markdown_for_other_machines_links_nothing_of_this_one(settings: Settings) -> None:
    report, records = judged_night(), open_records(settings)
    text = report_markdown(report, shared_links(settings, records, report))

    assert {
        one for one in MARKDOWN_ADDRESSES.findall(text) if not one.startswith(settings.dagster_url)
    } == set()
    assert f"- Page: `{settings.artifacts_root}/{report.date}/{report.run_id}/report.html`" in text
    served = with_artifacts(settings, address="https://nights.example")
    linked = report_markdown(report, shared_links(served, records, report))
    assert f"(<https://nights.example/{report.date}/{report.run_id}/vllm/amd64/unit/junit.xml>)" in linked
    assert (
        f"- [The night&#39;s page](<https://nights.example/{report.date}/{report.run_id}/report.html>)"
        in linked
    )
