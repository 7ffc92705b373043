"""Which frameworks of a night are promoted, by themselves after it or because somebody asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nightly_pipeline.errors import NightlyError, PromotionRefused
from nightly_pipeline.model.promotion import Assessment, PromotionRule, superseded
from nightly_pipeline.model.promotion_rule import assess
from nightly_pipeline.model.quarantine import quarantined_failures
from nightly_pipeline.model.report import Report
from nightly_pipeline.steps.ports import LineSink
from nightly_pipeline.steps.promote import Order, PromoteTools, plan_promotion, promote

NIGHTLY_REASON = "every required stage passed"

State = Literal["promoted", "unchanged", "not_good", "held", "failed"]
"""held: good, but known-good is newer or was chosen by hand. failed: it should have been promoted, and was not."""


@dataclass(frozen=True)
class FrameworkPromotion:
    """What became of one framework's promotion, and why."""

    framework: str
    state: State
    text: str


def promote_night(
    report: Report, rule: PromotionRule, tools: PromoteTools, *, who: str, log: LineSink
) -> list[FrameworkPromotion]:
    """Promote every framework of a night that is good enough, each for itself.

    What goes wrong is an answer, `failed`, and keeps neither the others nor the night's verdict from being told.
    """
    frameworks = dict.fromkeys(image.framework for image in report.images)
    return [_promote_one(report, name, rule, tools, who, log) for name in frameworks]


def _promote_one(  # noqa: PLR0913, PLR0917 - what the loop above hands on
    report: Report, framework: str, rule: PromotionRule, tools: PromoteTools, who: str, log: LineSink
) -> FrameworkPromotion:
    assessment = assess(report, framework, rule, quarantined_failures(report.judgement))
    candidate = assessment.candidate
    if candidate is None or assessment.problems:
        return FrameworkPromotion(framework, "not_good", assessment.text)
    try:
        if held := superseded(candidate, tools.records.of(framework)):
            return FrameworkPromotion(framework, "held", held)
        order = Order(candidate, NIGHTLY_REASON, who, automatic=True, excused=assessment.excused)
        plan = plan_promotion(order, tools)
        record = promote(plan, tools, log)
    except NightlyError as error:
        return FrameworkPromotion(framework, "failed", str(error))
    state: State = "promoted" if plan.changes else "unchanged"
    return FrameworkPromotion(framework, state, record.index_digest)


def order_for_night(  # noqa: PLR0913 - who asks for what, and why
    report: Report, framework: str, rule: PromotionRule, *, reason: str, who: str, force: bool = False
) -> Order:
    """The order of a person to promote a framework of a night.

    Raises:
        PromotionRefused: it is not good enough, and `force` is not given or does not help.
    """
    assessment = assess(report, framework, rule, quarantined_failures(report.judgement))
    candidate = assessment.candidate
    if candidate is None or assessment.is_final or (assessment.problems and not force):
        raise _refusal(report, assessment)
    return Order(
        candidate,
        reason,
        who,
        overridden=tuple(problem.text for problem in assessment.problems),
        excused=assessment.excused,
    )


def order_to_go_back(
    framework: str, date: str, tools: PromoteTools, *, reason: str, who: str
) -> Order | None:
    """The order to promote again what was promoted of a night; None when nothing of it was."""
    record = tools.records.of_night(framework, date)
    return None if record is None else Order(record.candidate, reason, who, action="rollback")


def _refusal(report: Report, assessment: Assessment) -> PromotionRefused:
    problems = "".join(f"\n  {problem.text}" for problem in assessment.problems)
    next_step = (
        None if assessment.is_final else "Promote it in spite of that with --force; the record will say so."
    )
    return PromotionRefused(
        f"{assessment.framework} of {report.date} is not promoted:{problems}", next_step=next_step
    )


def promotions_text(promotions: Sequence[FrameworkPromotion]) -> str:
    """All of it in a line each: `vllm: promoted (sha256:...)`."""
    return "\n".join(f"{one.framework}: {one.state.replace('_', ' ')} ({one.text})" for one in promotions)
