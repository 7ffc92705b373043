"""What the page shows of a report, made ready for templates that decide nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nightly_pipeline.model.counts import count_collected, counts_line, counts_run, counts_words, tally
from nightly_pipeline.model.findings import (
    LETTERS,
    Findings,
    broken_steps,
    counts,
    counts_text,
    failed_stages,
    findings,
    stage_counts,
    word_of,
)
from nightly_pipeline.model.headlines import Headline, headlines
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.links import Links, safe_address
from nightly_pipeline.model.outcomes import StageOutcome
from nightly_pipeline.model.reading import (
    Item,
    Tone,
    consequences,
    duration_s,
    headline,
    items,
    mock_note,
    night_tone,
    notes,
    short_revision,
)
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.told import first_steps, leads, standing, told
from nightly_pipeline.model.trends import Trends
from nightly_pipeline.model.untrusted import excerpt, short_line
from nightly_pipeline.page.changes import ChangesShown, shown_changes
from nightly_pipeline.page.charts import ChartShown, shown_charts
from nightly_pipeline.page.failing import VerdictGroup, verdict_groups
from nightly_pipeline.page.incidents import IncidentShown, shown_incidents
from nightly_pipeline.page.links import Linked, artifact_links, outcome_links
from nightly_pipeline.page.matrix import Matrix, Shown, brief_of, matrix_of

_LONG_MESSAGE = 8_000
_NEWS = 6


@dataclass(frozen=True)
class Broken:
    """A step that is not good for another reason than failing tests alone.

    Attributes:
        message: empty where it stands above already, at the step that `same` leads to.
        known: since when it is so, where that is known and not tonight.
        owners: who is asked.
        leads: where to look for the cause; said once for all steps that broke by it.
    """

    shown: Shown
    message: str
    same: Linked | None
    known: str
    owners: str
    leads: str


@dataclass(frozen=True)
class FailedStage:
    """A stage that is not good because of its tests, and what these mean."""

    shown: Shown
    verdicts: str


@dataclass(frozen=True)
class Chip:
    """How many tests have a verdict, and where they are listed."""

    letter: str
    word: str
    count: int
    anchor: str
    verdict: Verdict


@dataclass(frozen=True)
class News:
    """What matters, the most important first; `more_anchor` leads to the first of those that are left out."""

    listed: tuple[Headline, ...]
    more: int
    more_anchor: str
    chips: tuple[Chip, ...]

    letters = LETTERS


@dataclass(frozen=True)
class NightView:
    """Everything the templates need."""

    report: Report
    headline: str
    tone: Tone
    mock_note: str | None
    notes: tuple[str, ...]
    revision: str
    duration_s: float | None
    news: News
    matrix: Matrix
    incidents: tuple[IncidentShown, ...]
    broken: tuple[Broken, ...]
    failed_stages: tuple[FailedStage, ...]
    following: tuple[Shown, ...]
    tests: tuple[VerdictGroup, ...]
    changes: ChangesShown | None
    trends: Trends | None
    usual_s: float | None
    charts: tuple[ChartShown, ...]
    everything: tuple[Shown, ...]
    counts: tuple[tuple[str, str], ...]
    documents: tuple[Linked, ...]
    runs: tuple[Linked, ...]
    """One for each of the report's runs, in their order."""
    index: str | None

    @property
    def listed(self) -> int:
        """How many tests the page lists."""
        return sum(group.count for group in self.tests)


def night_view(report: Report, links: Links, trends: Trends | None = None) -> NightView:
    """Make a report ready to be shown.

    Args:
        report: the night, with its judgement where there is one.
        links: addresses of artifacts, runs and the list of nights.
        trends: the nights before it; None where they were not asked.
    """
    judged = report.judgement is not None
    found = findings(report)
    counted = stage_counts(found)

    def shown(item: Item) -> Shown:
        return _shown(item, links, brief_of(item, counted, judged=judged))

    everything = tuple(shown(item) for item in items(report))
    return NightView(
        report=report,
        headline=headline(report),
        tone=night_tone(report),
        mock_note=mock_note(report),
        notes=notes(report),
        revision=short_revision(report),
        duration_s=duration_s(report),
        news=_news(report, found),
        matrix=matrix_of(everything),
        incidents=shown_incidents(report),
        broken=tuple(_broken(report, shown)),
        failed_stages=tuple(_failed_stages(report, shown, counted)),
        following=tuple(shown(item) for item in consequences(report)),
        tests=verdict_groups(report, found, links),
        changes=shown_changes(report),
        trends=trends,
        usual_s=trends.usual_s if trends else None,
        charts=shown_charts(trends) if trends else (),
        everything=everything,
        counts=_counts(report),
        documents=artifact_links(report.artifacts, links),
        runs=tuple(Linked(run.run_id, safe_address(links.run(run.run_id))) for run in report.runs),
        index=safe_address(links.nights),
    )


def _shown(item: Item, links: Links, brief: str) -> Shown:
    outcome = item.outcome
    counted = isinstance(outcome, StageOutcome) and any(outcome.counts.model_dump().values())
    return Shown(
        item=item,
        counts=counts_line(outcome) if isinstance(outcome, StageOutcome) and counted else "",
        links=outcome_links(outcome, links),
        brief=brief,
    )


def _broken(report: Report, shown: Callable[[Item], Shown]) -> Iterator[Broken]:
    """A message that several steps ended with stands at the first of them."""
    who = told(report)
    known_at = first_steps(who)
    firsts: dict[str, Item] = {}
    for item in broken_steps(report):
        message, known = item.outcome.message or "", who.by_step.get(item.label)
        first = firsts.setdefault(message, item) if message else item
        yield Broken(
            shown=shown(item),
            message=excerpt(message, lines=200, characters=_LONG_MESSAGE) if first is item else "",
            same=None if first is item else Linked(first.label, f"#{first.anchor}"),
            known=standing(known),
            owners=short_line(", ".join(known.owners), 200) if known else "",
            leads=short_line(" · ".join(leads(known_at.get(item.label))), 600),
        )


def _failed_stages(
    report: Report, shown: Callable[[Item], Shown], counted: Mapping[str, Counter[Verdict]]
) -> Iterator[FailedStage]:
    for item in failed_stages(report):
        verdicts = counted.get(item.label, Counter())
        yield FailedStage(shown(item), counts_text(verdicts, judged=report.judgement is not None))


def _news(report: Report, found: Findings) -> News:
    news = headlines(report, found)
    on_top = len(news) if len(news) == _NEWS + 1 else _NEWS  # "1 more" would take as much room as the one
    return News(
        listed=news[:on_top],
        more=len(news[on_top:]),
        more_anchor=next((one.anchor for one in news[on_top:]), ""),
        chips=_chips(found) if report.judgement else (),
    )


def _chips(found: Findings) -> tuple[Chip, ...]:
    return tuple(
        Chip(LETTERS[verdict], word_of(verdict), count, f"tests-{verdict.value}", verdict)
        for verdict, count in counts(found).items()
    )


def _counts(report: Report) -> tuple[tuple[str, str], ...]:
    return (
        ("Images", tally(image.status for image in report.images)),
        ("Publications", tally(publication.status for publication in report.publications)),
        ("Stages", tally(stage.status for stage in report.stages)),
        ("Tests run", counts_words(counts_run(report))),
        ("Tests collected only", f"{count_collected(report):,}"),
    )
