"""The commands of a night: plan it, run it, repeat it, see how it stands, read what became of it."""

from __future__ import annotations

import sys
from typing import Any

import click
from pydantic import TypeAdapter

from nightly_pipeline.commands.options import (
    console,
    date_option,
    format_option,
    night_of,
    print_json,
    profile_option,
    selected,
    selection_options,
)
from nightly_pipeline.settings import load_settings


@click.command()
@profile_option
@selection_options
@format_option("table", "json")
def plan(profile: str | None, output: str, **selection: Any) -> None:
    """Print what a night would do: cells, steps, runners, timeouts, tags, what waits for what. Changes nothing.

    \b
    Examples:
      nightly plan --framework sglang
      nightly plan --profile production --format json
    """
    from nightly_pipeline.planning import make_plan
    from nightly_pipeline.terminal import plan_table

    settings = load_settings(profile)
    night = make_plan(settings, selected(settings, **selection))
    if output == "json":
        print_json(night.model_dump(mode="json"))
    else:
        console().print(plan_table(night, settings))


@click.command()
@profile_option
@date_option
@selection_options
@click.option("--revision", metavar="COMMIT", help="Build this commit instead of the night's own.")
@click.option("--reuse", is_flag=True, help="Take over images this night already has of the same revision.")
@click.option("--plain", is_flag=True, help="One line an event instead of the live view.")
def run(
    profile: str | None, date: str, revision: str | None, plain: bool, reuse: bool, **selection: Any
) -> None:
    """Run a night, or the selected part of it, and show it while it runs.

    A night of the past is built from the commit that was the head at 08:00 UTC of its date.

    \b
    Examples:
      nightly run
      nightly run --framework vllm --framework sglang --arch amd64 --stage unit
      nightly run --date yesterday
      nightly run --revision 9fceb02 --images-only
    """
    from nightly_pipeline.nights import NightRequest, run_night
    from nightly_pipeline.planning import make_plan

    settings = load_settings(profile)
    night = night_of(settings, date)
    chosen = make_plan(settings, selected(settings, **selection))
    request = NightRequest(date=night, plan=chosen, revision=revision, reuse=reuse, plain=plain)
    sys.exit(run_night(settings, request))


@click.command()
@profile_option
@click.argument("run_id")
@click.option("--failed", is_flag=True, help="Only what was not good, and what waits for it.")
@click.option("--plain", is_flag=True, help="One line an event instead of the live view.")
def rerun(profile: str | None, run_id: str, failed: bool, plain: bool) -> None:
    """Repeat a run on the same commit. RUN_ID may be its first eight characters, as tags and messages have it.

    With --failed the images that were good are used as they are, by digest.

    \b
    Examples:
      nightly rerun 1f3a9c02
      nightly rerun 1f3a9c02 --failed
    """
    from nightly_pipeline.nights import repeat_run

    sys.exit(repeat_run(load_settings(profile), run_id, failed_only=failed, plain=plain))


@click.command()
@profile_option
@click.option("--date", metavar="YYYY-MM-DD", help="Only this night.")
@click.option("--limit", default=10, show_default=True, help="How many runs at most.")
@format_option("table", "json")
def status(profile: str | None, date: str | None, limit: int, output: str) -> None:
    """Show the runs on record, newest first, with their verdicts; those that run now too.

    \b
    Examples:
      nightly status
      nightly status --date 2026-11-20 --format json
    """
    from nightly_pipeline.nights_on_record import recent_runs
    from nightly_pipeline.terminal import status_table

    settings = load_settings(profile)
    rows = recent_runs(settings, night=night_of(settings, date) if date else None, limit=limit)
    if output == "json":
        print_json(TypeAdapter(list[Any]).dump_python(rows, mode="json"))
    else:
        console().print(status_table(rows))


@click.command()
@profile_option
@date_option
@click.option("--run", "run_id", help="Only this run, instead of the newest result of everything that night.")
@format_option("terminal", "json", "markdown", "html")
def report(profile: str | None, date: str, run_id: str | None, output: str) -> None:
    """Print what became of a night: for every image and stage its newest result.

    \b
    Examples:
      nightly report
      nightly report --date 2026-11-20 --format json | jq .status
      nightly report --run 1f3a9c02 --format html > night.html
    """
    from nightly_pipeline.nights_on_record import read_report, render

    settings = load_settings(profile)
    # A run id says its night itself.
    found = read_report(settings, night=None if run_id else night_of(settings, date), run_id=run_id)
    if output == "terminal":
        from nightly_pipeline.terminal import report_tables

        console().print(report_tables(found))
    else:
        click.echo(render(found, output, settings))
