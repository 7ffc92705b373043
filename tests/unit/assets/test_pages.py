"""The pages as the summary keeps them, with a real history in a folder: present, empty, broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightly_pipeline.assets.pages import keep_index, kept_page_of, page_of
from nightly_pipeline.assets.summary import keep_report, links_of
from nightly_pipeline.assets.workplace import open_history, open_records
from nightly_pipeline.model.links import NO_LINKS
from nightly_pipeline.settings import Settings, load_settings
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


def test_a_kept_page_leads_to_the_list_of_nights_beside_it(settings: Settings) -> None:
    assert 'href="../../index.html"' in kept_page_of(judged_night(), settings, NO_LINKS)


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
    links = links_of(settings, open_records(settings))

    assert links.run("abc") == f"{settings.dagster_url}/runs/abc"
    assert str(links.artifact(f"{DATE}/x")).endswith(f"{DATE}/x")
