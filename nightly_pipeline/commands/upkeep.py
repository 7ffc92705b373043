"""The commands that keep a machine fit for nights: is it ready, and what may go."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click
from pydantic import TypeAdapter

from nightly_pipeline.commands.freshness import show_freshness, span
from nightly_pipeline.commands.options import console, format_option, print_json, profile_option
from nightly_pipeline.errors import RegistryError, UsageError
from nightly_pipeline.settings import Settings, load_settings


@click.command()
@profile_option
@format_option("table", "json")
@click.option(
    "--freshness", is_flag=True, help="Only say whether nights still come; exit with 3 when they are late."
)
@click.option(
    "--max-age",
    type=span,
    metavar="SPAN",
    help="With --freshness: how old the last night may be; default as the profile.",
)
@click.option(
    "--tell", is_flag=True, help="With --freshness: tell the team in Slack, once for each lateness."
)
def doctor(
    profile: str | None, output: str, *, freshness: bool, max_age: timedelta | None, tell: bool
) -> None:
    """Say whether this machine is ready for a night, and how to mend what is missing. Exits with 3 if something is.

    Every registry is logged in to, and asked whether it may be read and pushed to: an upload is started and cancelled.

    With --freshness it says instead whether a night has finished lately, for an outside cron: a scheduler that is dead
    cannot raise the alarm itself.

    \b
    Examples:
      nightly doctor
      nightly doctor --profile production --format json
      nightly doctor --freshness --max-age 26h --tell
    """
    if freshness:
        sys.exit(show_freshness(load_settings(profile), output, max_age=max_age, tell=tell))
    if max_age is not None or tell:
        raise UsageError("--max-age and --tell go with --freshness")
    from nightly_pipeline.readiness import examine
    from nightly_pipeline.steps.doctor import is_ready
    from nightly_pipeline.terminal import doctor_table

    findings = examine(load_settings(profile))
    if output == "json":
        print_json(TypeAdapter(list[Any]).dump_python(findings, mode="json"))
    else:
        console().print(doctor_table(findings))
    sys.exit(0 if is_ready(findings) else 3)


@click.command()
@profile_option
@click.option("--days", type=click.IntRange(min=1), help="Keep this many days; default from the profile.")
@click.option("--images", is_flag=True, help="The registries' images and layer caches, instead of artifacts.")
@click.option("--yes", is_flag=True, help="Delete; without it only what would go is shown.")
@format_option("table", "json")
def prune(profile: str | None, days: int | None, images: bool, yes: bool, output: str) -> None:
    """Delete artifacts of nights older than the profile keeps them, and pack the history's months that are over.

    The history itself is never deleted. A past night that was run lately is kept as long as any other.

    With --images: delete images of nights past their time, as the profile's `retention` says, in every registry.
    What is known good, was promoted lately, has another tag, or could not be asked stays. Exits with 7 when something
    could not be asked or deleted.

    \b
    Examples:
      nightly prune                what would go
      nightly prune --days 3 --yes
      nightly prune --images       which images would go, and why the others stay
      nightly prune --images --format json | jq '.repositories[].delete[].tags'
      nightly prune --images --yes
    """
    settings = load_settings(profile)
    if images:
        _prune_images(settings, days=days, delete=yes, output=output)
        return
    if output != "table":
        raise UsageError("--format json is for --images", next_step="Leave it out.")
    from nightly_pipeline.nights_on_record import prune_artifacts

    for line in prune_artifacts(settings, days=days, delete=yes):
        click.echo(line)


def _prune_images(settings: Settings, *, days: int | None, delete: bool, output: str) -> None:
    from dataclasses import replace

    from nightly_pipeline.assets.known_good import retention_rule, retention_tools
    from nightly_pipeline.steps.retention import apply_retention, as_json
    from nightly_pipeline.stores import open_records
    from nightly_pipeline.terminal.known_good import retention_table

    rule = retention_rule(settings)
    if days is not None:
        rule = replace(rule, lifetime=replace(rule.lifetime, days=days))
    tools = retention_tools(settings, open_records(settings).store)
    outcomes = apply_retention(tools, rule, delete=delete, log=lambda line: click.echo(line, err=True))
    if output == "json":
        click.echo(as_json(outcomes, delete=delete))
    else:
        console().print(retention_table(outcomes, deleted=delete))
        if not delete and any(outcome.plan.deleted for outcome in outcomes):
            click.echo("Nothing was deleted; delete it with --yes.")
    if not all(outcome.is_good for outcome in outcomes):
        sys.exit(RegistryError.exit_code)
