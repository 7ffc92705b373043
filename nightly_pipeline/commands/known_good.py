"""The commands that say by hand which images are known good: promote a night's, or go back to those of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from nightly_pipeline.commands.options import console, format_option, night_of, print_json, profile_option
from nightly_pipeline.errors import UsageError
from nightly_pipeline.model.selection import select
from nightly_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from nightly_pipeline.model.report import Report
    from nightly_pipeline.steps.promote import Order, PromoteTools, PromotionPlan


def _promotion_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option(
            "--framework", "frameworks", multiple=True, help="Only this framework; repeat for more."
        ),
        click.option("--reason", required=True, help="Why; it is kept with the promotion."),
        click.option(
            "--force", is_flag=True, help="Although stages are not good; the record will say which."
        ),
        click.option("--yes", is_flag=True, help="Do it; without it only what would move is shown."),
        format_option("table", "json"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@profile_option
@click.option("--date", metavar="YYYY-MM-DD", help="Which night; default today.")
@click.option("--run", "run_id", help="Only what this run did, instead of the newest results of a night.")
@_promotion_options
def promote(  # noqa: PLR0913 - the command's options
    profile: str | None,
    date: str | None,
    run_id: str | None,
    *,
    frameworks: tuple[str, ...],
    reason: str,
    force: bool,
    yes: bool,
    output: str,
) -> None:
    """Call a night's images known good: move the tags known-good-FRAMEWORK and -ARCH, in every registry.

    A night promotes its good frameworks by itself (promotion.automatic in the profile). By hand, it is all of the
    named frameworks or none: where one is not good, the command refuses and says why.

    \b
    Examples:
      nightly promote --reason "the fleet's nightly" --framework vllm
      nightly promote --date 2026-11-20 --reason "fixes the leak" --yes
      nightly promote --run 1f3a9c02 --reason "hotfix, unit is flaky" --force --yes
    """
    if date and run_id:
        raise UsageError("--date and --run exclude each other", next_step="A run says its night itself.")
    settings = load_settings(profile)
    names = _frameworks(settings, frameworks)
    desk = _Desk(settings, reason=reason, force=force)
    report = desk.report(night=None if run_id else night_of(settings, date or "today"), run_id=run_id)
    orders = [desk.order(report, framework) for framework in names]
    _carry_out(desk.tools, orders, yes=yes, output=output)


@click.command()
@profile_option
@click.argument("date", metavar="DATE")
@_promotion_options
def rollback(  # noqa: PLR0913 - the command's options
    profile: str | None,
    date: str,
    *,
    frameworks: tuple[str, ...],
    reason: str,
    force: bool,
    yes: bool,
    output: str,
) -> None:
    """Go back to the images of the night of DATE: known-good names them again, in every registry.

    What was promoted of that night is promoted again, by digest: its artifacts need not be there any more, its images
    must be. A night that never was promoted has to be good, or needs --force. Later nights are promoted by themselves
    as before; the images you go back from are not, unless you say so.

    \b
    Examples:
      nightly rollback 2026-11-19 --reason "2026-11-20 leaks memory"
      nightly rollback yesterday --framework vllm --reason "see the incident" --yes
    """
    settings = load_settings(profile)
    night = night_of(settings, date)
    desk = _Desk(settings, reason=reason, force=force)
    orders = [desk.order_back(framework, night) for framework in _frameworks(settings, frameworks)]
    _carry_out(desk.tools, orders, yes=yes, output=output)


class _Desk:
    """Where a person's orders are written."""

    def __init__(self, settings: Settings, *, reason: str, force: bool) -> None:
        from nightly_pipeline.assets.known_good import promote_tools, promotion_rule, this_person
        from nightly_pipeline.steps.promote import checked_reason
        from nightly_pipeline.stores import open_records

        self.settings = settings
        self.force = force
        self.reason = checked_reason(reason)
        self.rule = promotion_rule(settings)
        self.tools: PromoteTools = promote_tools(settings, open_records(settings).store)
        self.who = this_person()

    def report(self, *, night: str | None, run_id: str | None = None) -> Report:
        """The report of a night or run. Raises RecordError when nothing is on record."""
        from nightly_pipeline.nights_on_record import read_report

        return read_report(self.settings, night=night, run_id=run_id)

    def order(self, report: Report, framework: str) -> Order:
        """To promote what a report shows. Raises PromotionRefused."""
        from nightly_pipeline.steps.promote_night import order_for_night

        return order_for_night(
            report, framework, self.rule, reason=self.reason, who=self.who, force=self.force
        )

    def order_back(self, framework: str, night: str) -> Order:
        """To promote what was promoted of a night, or else what is good of it."""
        from dataclasses import replace

        from nightly_pipeline.steps.promote_night import order_to_go_back

        order = order_to_go_back(framework, night, self.tools, reason=self.reason, who=self.who)
        return order or replace(self.order(self.report(night=night), framework), action="rollback")


def _frameworks(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    return select(settings.table, frameworks=names).frameworks


def _carry_out(tools: PromoteTools, orders: Sequence[Order], *, yes: bool, output: str) -> None:
    """Plan all before the first tag moves; then do it, or say what would be done."""
    from nightly_pipeline.steps.promote import plan_promotion, promote
    from nightly_pipeline.terminal.known_good import moves_table

    plans = [plan_promotion(order, tools) for order in orders]
    if output == "table":
        console().print(moves_table(plans))
    say: Callable[[str], None] = click.echo if output == "table" else lambda line: click.echo(line, err=True)
    if yes:
        for plan in plans:
            promote(plan, tools, say)
    if output == "json":
        print_json({"dry_run": not yes, "promotions": [_document(plan) for plan in plans]})
    elif not yes:
        changes = any(plan.changes for plan in plans)
        click.echo("Nothing was moved; do it with --yes." if changes else "Every tag is where it should be.")


def _document(plan: PromotionPlan) -> dict[str, Any]:
    order = plan.order
    return {
        **order.candidate.model_dump(mode="json"),
        "action": order.action,
        "reason": order.reason,
        "who": order.who,
        "overridden": list(order.overridden),
        "excused": list(order.excused),
        "index_digest": plan.index_digest,
        "tags": [
            {"registry": move.registry, "tag": move.tag, "before": move.before, "after": move.after}
            for move in plan.moves
        ],
    }
