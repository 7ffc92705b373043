"""The `nightly` command: plan, run, rerun, status, report, doctor, prune. Maps errors to exit codes.

Heavy imports (Dagster takes about two seconds) happen in the commands that need them, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from pydantic import TypeAdapter
from rich.console import Console

from nightly_pipeline import __version__
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.selection import Selection, select
from nightly_pipeline.settings import Settings, load_settings

EXIT_CODES = """\b
Exit codes:
  0  green, or the command did what it says
  1  the night is not green (red or incomplete)
  2  usage or configuration
  3  the environment is not ready
  4  the commit under test cannot be had
  7  a registry refused, or could not be asked
  8  the run or night is not on record
  130  interrupted; what was started was ended
"""

_Command = TypeVar("_Command", bound=Callable[..., Any])


class NightlyGroup(click.Group):
    """Turns the tree of errors into one message and an exit code; anything else is a defect and shows its trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except NightlyError as error:
            _show_error(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)


def _show_error(error: NightlyError) -> None:
    console = Console(stderr=True, highlight=False)
    console.print("error:", style="bold red", end=" ")
    console.print(error.message, markup=False)
    console.print(f"  next: {error.next_step}", markup=False)


def _profile(command: _Command) -> _Command:
    return click.option(
        "--profile",
        metavar="local|local-real|production|PATH",
        help="Which profile; default NIGHTLY_PROFILE, or local.",
    )(command)


def _selection(command: _Command) -> _Command:
    options = (
        click.option(
            "--framework", "frameworks", multiple=True, help="Only this framework; repeat for more."
        ),
        click.option(
            "--arch", "architectures", multiple=True, help="Only this architecture; repeat for more."
        ),
        click.option(
            "--stage",
            "stages",
            multiple=True,
            help="Only this test stage (with its images); repeat for more.",
        ),
        click.option("--images-only", is_flag=True, help="Build and publish; test nothing."),
    )
    for option in options:
        command = option(command)
    return command


def _format(*names: str) -> Callable[[_Command], _Command]:
    return click.option("--format", "output", type=click.Choice(names), default=names[0], show_default=True)


_date = click.option("--date", default="today", show_default=True, metavar="YYYY-MM-DD", help="Which night.")


@click.group(cls=NightlyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nightly")
def main() -> None:
    """Build, publish and test LLM-inference images every night, and say what is good, what broke and since when.

    \b
    Examples:
      nightly plan                                   what tonight would do
      nightly run                                    the whole night, now
      nightly run --framework vllm --arch amd64      one cell
      nightly run --date 2026-11-20                  a past night, from the commit that was the head then
      nightly rerun 1f3a9c02 --failed                what was not good in a run, on the same commit
      nightly report --format markdown               what became of tonight
      nightly doctor                                 is this machine ready?
    """


@main.command()
@_profile
@_selection
@_format("table", "json")
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
    night = make_plan(settings, _selected(settings, **selection))
    if output == "json":
        _print_json(night.model_dump(mode="json"))
    else:
        _console().print(plan_table(night, settings))


@main.command()
@_profile
@_date
@_selection
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
    night = _night(settings, date)
    chosen = make_plan(settings, _selected(settings, **selection))
    request = NightRequest(date=night, plan=chosen, revision=revision, reuse=reuse, plain=plain)
    sys.exit(run_night(settings, request))


@main.command()
@_profile
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


@main.command()
@_profile
@click.option("--date", metavar="YYYY-MM-DD", help="Only this night.")
@click.option("--limit", default=10, show_default=True, help="How many runs at most.")
@_format("table", "json")
def status(profile: str | None, date: str | None, limit: int, output: str) -> None:
    """Show the runs on record, newest first, with their verdicts; those that run now too.

    \b
    Examples:
      nightly status
      nightly status --date 2026-11-20 --format json
    """
    from nightly_pipeline.nights import recent_runs
    from nightly_pipeline.terminal import status_table

    settings = load_settings(profile)
    rows = recent_runs(settings, night=_night(settings, date) if date else None, limit=limit)
    if output == "json":
        _print_json(TypeAdapter(list[Any]).dump_python(rows, mode="json"))
    else:
        _console().print(status_table(rows))


@main.command()
@_profile
@_date
@click.option("--run", "run_id", help="Only this run, instead of the newest result of everything that night.")
@_format("terminal", "json", "markdown", "html")
def report(profile: str | None, date: str, run_id: str | None, output: str) -> None:
    """Print what became of a night: for every image and stage its newest result.

    \b
    Examples:
      nightly report
      nightly report --date 2026-11-20 --format json | jq .status
      nightly report --run 1f3a9c02 --format html > night.html
    """
    from nightly_pipeline.nights import read_report, render

    settings = load_settings(profile)
    # A run id says its night itself.
    found = read_report(settings, night=None if run_id else _night(settings, date), run_id=run_id)
    if output == "terminal":
        from nightly_pipeline.terminal import report_tables

        _console().print(report_tables(found))
    else:
        click.echo(render(found, output, settings))


@main.command()
@_profile
@_format("table", "json")
def doctor(profile: str | None, output: str) -> None:
    """Say whether this machine is ready for a night, and how to mend what is missing. Exits with 3 if something is.

    \b
    Examples:
      nightly doctor
      nightly doctor --profile production --format json
    """
    from nightly_pipeline.readiness import examine
    from nightly_pipeline.steps.doctor import is_ready
    from nightly_pipeline.terminal import doctor_table

    findings = examine(load_settings(profile))
    if output == "json":
        _print_json(TypeAdapter(list[Any]).dump_python(findings, mode="json"))
    else:
        _console().print(doctor_table(findings))
    sys.exit(0 if is_ready(findings) else 3)


@main.command()
@_profile
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


def _selected(
    settings: Settings,
    *,
    frameworks: Iterable[str],
    architectures: Iterable[str],
    stages: Iterable[str],
    images_only: bool,
) -> Selection:
    return select(
        settings.table,
        frameworks=frameworks,
        architectures=architectures,
        stages=stages,
        tests=not images_only,
    )


def _night(settings: Settings, date: str) -> str:
    from nightly_pipeline.model.dates import parse_night

    return parse_night(date, today=datetime.now(UTC).date(), go_live=settings.go_live).isoformat()


def _console() -> Console:
    return Console(highlight=False)


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2))


if __name__ == "__main__":
    main(prog_name="nightly")
