"""What a promotion moves, and what retention keeps and deletes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from nightly_pipeline.model.quantities import NOTHING, digest_text, plural
from nightly_pipeline.model.reading import Tone
from nightly_pipeline.model.retention import Decision
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.steps.promote import PromotionPlan
from nightly_pipeline.steps.retention import RepositoryOutcome
from nightly_pipeline.terminal.words import column_table, keep_whole, marked, plain_text


def moves_table(plans: Sequence[PromotionPlan]) -> RenderableType:
    """Every tag: what it names now and what it will name; the registries that agree in one line."""
    parts: list[RenderableType] = []
    for plan in plans:
        parts += [_moves_of(plan), *(plain_text(line) for line in _notes(plan)), Text()]
    return Group(*parts)


def _moves_of(plan: PromotionPlan) -> RenderableType:
    candidate = plan.order.candidate
    title = f"{candidate.framework}: night of {candidate.date}, run {short_run_id(candidate.run_id)}"
    table = column_table("Tag", "Registries", "Now", "Then", title=title)
    keep_whole(table, 0)
    together: dict[tuple[str, str | None, str], list[str]] = {}
    for move in plan.moves:
        together.setdefault((move.tag, move.before, move.after), []).append(move.registry)
    for (tag, before, after), registries in together.items():
        then = Text("stays") if before == after else Text(digest_text(after), style="bold")
        table.add_row(plain_text(tag), plain_text(", ".join(registries)), Text(digest_text(before)), then)
    return table


def _notes(plan: PromotionPlan) -> Iterable[str]:
    name = plan.order.candidate.framework
    for problem in plan.order.overridden:
        yield f"{name}: in spite of {problem}"
    for test in plan.order.excused:
        yield f"{name}: quarantined, so it does not count: {test}"


def retention_table(outcomes: Sequence[RepositoryOutcome], *, deleted: bool) -> RenderableType:
    """Every tagged manifest of every repository with what becomes of it and why; what goes comes first."""
    parts: list[RenderableType] = []
    for outcome in outcomes:
        parts += [_decisions(outcome, deleted=deleted), Text()]
    return Group(*parts, *(_sum(outcome, deleted=deleted) for outcome in outcomes))


def _decisions(outcome: RepositoryOutcome, *, deleted: bool) -> RenderableType:
    title = f"{outcome.registry}: {outcome.where} ({outcome.kind})"
    if outcome.problem is not None:
        return Group(
            Text(title, style="bold"), marked(Tone.UNKNOWN, "all stays"), plain_text(outcome.problem)
        )
    table = column_table("Tags", "Night", "Digest", "", "Why", title=title)
    keep_whole(table, 1, 2, 3)
    for decision in (*outcome.plan.deleted, *outcome.plan.kept):
        if decision.tags or decision.digest in outcome.failed:
            table.add_row(*_row(decision, outcome, deleted=deleted))
    return table


def _row(decision: Decision, outcome: RepositoryOutcome, *, deleted: bool) -> list[RenderableType]:
    why = outcome.failed.get(decision.digest)
    if why is not None:
        state = marked(Tone.BAD, "not deleted")
    elif decision.delete:
        state = Text("deleted" if deleted else "would go", style="bold")
    else:
        state = Text("stays")
    return [
        plain_text("\n".join(decision.tags) or NOTHING),
        Text(decision.night.isoformat() if decision.night else NOTHING),
        plain_text(digest_text(decision.digest)),
        state,
        plain_text(why or decision.reason),
    ]


def _sum(outcome: RepositoryOutcome, *, deleted: bool) -> Text:
    if outcome.problem is not None:
        return plain_text(f"{outcome.where}: could not be decided, so everything stays")
    stay, go = len(outcome.plan.kept), len(outcome.plan.deleted)
    done = f"{len(outcome.deleted)} of {go} deleted" if deleted else f"{go} would go"
    return plain_text(f"{outcome.where}: {plural(stay, 'manifest')} stay, {done}")
