"""The commands that keep a machine fit for nights: is it ready, and what may go."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click
from pydantic import TypeAdapter

from nightly_pipeline.commands.freshness import show_freshness, span
from nightly_pipeline.commands.options import console, format_option, print_json, profile_option
from nightly_pipeline.errors import UsageError
from nightly_pipeline.settings import load_settings


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
@click.option("--yes", is_flag=True, help="Delete; without it only what would go is shown.")
def prune(profile: str | None, days: int | None, yes: bool) -> None:
    """Delete artifacts older than the profile keeps them, and what killed runs left behind.

    \b
    Examples:
      nightly prune                what would go
      nightly prune --days 3 --yes
    """
    from nightly_pipeline.nights import prune_artifacts

    for line in prune_artifacts(load_settings(profile), days=days, delete=yes):
        click.echo(line)
