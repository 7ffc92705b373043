"""The commands of the history: read a test's past, keep the history sound."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from nightly_pipeline.commands.options import console, format_option, print_json, profile_option
from nightly_pipeline.errors import RecordError, UsageError
from nightly_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from nightly_pipeline.model.history import TestIdentity
    from nightly_pipeline.model.past import TestNight
    from nightly_pipeline.tools.history_lookup import HistoryLookup, Where

_DAYS = 30


def _where_options(command: Any) -> Any:
    options = (
        click.option("--framework", help="Only this framework."),
        click.option("--arch", help="Only this architecture."),
        click.option("--stage", help="Only this test stage."),
        click.option(
            "--since", metavar="YYYY-MM-DD", help=f"From this night on; default {_DAYS} nights ago."
        ),
        click.option(
            "--limit",
            type=click.IntRange(min=1),
            default=20,
            show_default=True,
            help="At most so many tests.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@profile_option
@click.argument("test", required=False)
@_where_options
@format_option("table", "json", "plot")
@click.option("--slowest", is_flag=True, help="The tests that usually take longest, instead of one.")
@click.option("--check", is_flag=True, help="Read every file of the history and name those that are damaged.")
@click.option("--rebuild", is_flag=True, help="Remember the nights again whose artifacts are still kept.")
def history(profile: str | None, test: str | None, output: str, limit: int, **options: Any) -> None:
    """Show a test's nights: how each ended, how long it took, on which image and commit. TEST is a node id or a part.

    One test gives one line a night; several give one line a test with its nights as a strip. Exits with 8 when no test
    fits.

    \b
    Examples:
      nightly history test_streams_are_not_mixed
      nightly history tests/test_api.py::test_health --framework vllm --arch amd64 --since 2026-11-01
      nightly history test_health --framework vllm --arch amd64 --format plot
      nightly history --slowest --stage unit --limit 10
      nightly history --check
      nightly history --rebuild
    """
    slowest, check, rebuild = (options.pop(name) for name in ("slowest", "check", "rebuild"))
    if [test is not None, slowest, check, rebuild].count(True) != 1:
        raise UsageError(
            "nightly history takes one of TEST, --slowest, --check and --rebuild",
            next_step="For example: nightly history --slowest",
        )
    _can_be_shown(output, check=check, slowest=slowest, rebuild=rebuild)
    settings = load_settings(profile)
    if check:
        sys.exit(_check(settings))
    if rebuild:
        sys.exit(_rebuild(settings))
    chosen = _where(settings, **options)
    if test is None:
        _show_slowest(settings, chosen, limit, output)
    else:
        _show_test(settings, test, chosen, limit, output)
    _warn(settings)


def _show_test(settings: Settings, name: str, where: Where, limit: int, output: str) -> None:
    from nightly_pipeline.tools.history_lookup import HistoryLookup

    lookup = HistoryLookup(settings.history_root)
    tests = lookup.tests(name, where, limit=limit)
    if not tests:
        raise RecordError(
            f"no test with {name!r} in its name since {where.since}",
            next_step=_last_seen(settings, lookup, name, where) or _near(lookup, name, where),
        )
    found = _nights(settings, tests, where)
    if output == "json":
        print_json([_document(test, nights) for test, nights in found])
        return
    from nightly_pipeline.terminal import history as shown

    if len(found) > 1:
        console().print(shown.strips_table(found))
        said = f"the first {limit} tests; there may be more" if len(found) == limit else f"{len(found)} tests"
        click.echo(f"{said}. Name one whole, with --framework, --arch and --stage, for its nights.", err=True)
    else:
        show = shown.nights_plot if output == "plot" else shown.nights_table
        console().print(show(*found[0]))


def _last_seen(settings: Settings, lookup: HistoryLookup, name: str, where: Where) -> str | None:
    """When a test that is gone since was there; None when it never was."""
    from nightly_pipeline.stores import open_history

    before = lookup.tests(name, replace(where, since=None), limit=_DAYS)
    last = max((row.date for row in open_history(settings).of_tests(before)), default=None)
    return last and f"It was last there on {last}: add --since {last}."


def _near(lookup: HistoryLookup, name: str, where: Where) -> str:
    near = lookup.nearest(name, where)
    return f"Perhaps you meant: {', '.join(near)}" if near else "Look further back with --since."


def _show_slowest(settings: Settings, where: Where, limit: int, output: str) -> None:
    from nightly_pipeline.terminal.history import slowest_table
    from nightly_pipeline.tools.history_lookup import HistoryLookup

    found = HistoryLookup(settings.history_root).slowest(where, limit=limit)
    if output == "json":
        print_json(
            [
                {
                    **slow.test.model_dump(),
                    "usual_s": slow.usual_s,
                    "longest_s": slow.longest_s,
                    "runs": slow.runs,
                }
                for slow in found
            ]
        )
    else:
        console().print(slowest_table(found))


def _nights(
    settings: Settings, tests: Sequence[TestIdentity], where: Where
) -> list[tuple[TestIdentity, tuple[TestNight, ...]]]:
    """The nights of each test, of the kind of engine its newest row is of."""
    from nightly_pipeline.model.past import engine_kind, pasts
    from nightly_pipeline.stores import open_history

    rows = open_history(settings).of_tests(tests, since=where.since)
    newest = {row.identity: engine_kind(row) or "real" for row in rows}
    until = max((row.date for row in rows), default="")
    kinds = {kind: pasts(rows, until=until, engine=kind) for kind in set(newest.values())}
    return [(test, kinds[newest[test]].get(test, ()) if test in newest else ()) for test in tests]


def _document(test: TestIdentity, nights: Sequence[TestNight]) -> dict[str, Any]:
    shown = [{**night.row.model_dump(mode="json"), "flaky": night.mixed} for night in nights]
    return {**test.model_dump(), "nights": shown}


def _check(settings: Settings) -> int:
    from nightly_pipeline.stores import open_history

    problems = open_history(settings).problems(thorough=True)
    for problem in problems:
        click.echo(str(problem))
    click.echo(f"{len(problems)} files of the history cannot be read" if problems else "the history is whole")
    return RecordError.exit_code if problems else 0


def _rebuild(settings: Settings) -> int:
    from nightly_pipeline.nights_on_record import remember_nights

    bad = 0
    for night, remembered in remember_nights(settings):
        bad += bool(remembered.problems)
        click.echo(f"{night}: {remembered}")
    return RecordError.exit_code if bad else 0


def _warn(settings: Settings) -> None:
    from nightly_pipeline.stores import open_history

    problems = open_history(settings).problems()
    if problems:
        click.echo(
            f"{len(problems)} files of the history cannot be read, so nights may be missing here;"
            " nightly history --check names them",
            err=True,
        )


def _where(settings: Settings, *, since: str | None, **cell: str | None) -> Where:
    from nightly_pipeline.tools.history_lookup import Where

    known_cell(settings, **cell)
    usual = datetime.now(UTC).date() - timedelta(days=_DAYS)
    return Where(**cell, since=past_night(since, "--since") if since else usual.isoformat())


def known_cell(settings: Settings, *, framework: str | None, arch: str | None, stage: str | None) -> None:
    """Refuse a name that the table of the night does not have, and offer the nearest."""
    from nightly_pipeline.model.spelling import unknown

    table = settings.table
    allowed: dict[str, tuple[str | None, Iterable[str]]] = {
        "framework": (framework, table.frameworks),
        "architecture": (arch, table.architectures),
        "stage": (stage, table.stages),
    }
    for kind, (word, words) in allowed.items():
        if word is not None and word not in set(words):
            raise UsageError(unknown(kind, word, words))


def past_night(text: str, option: str) -> str:
    """A night, of before go-live too: an imported past is older than the pipeline."""
    from nightly_pipeline.model.dates import parse_night

    try:
        return parse_night(text, today=datetime.now(UTC).date(), go_live=date.min).isoformat()
    except UsageError as error:
        raise UsageError(f"{option}: {error.message}", next_step=error.next_step) from None


def _can_be_shown(output: str, **modes: bool) -> None:
    """Refuse a format that would be passed over."""
    mode = next((name for name, chosen in modes.items() if chosen), "TEST")
    formats = {"TEST": ("table", "json", "plot"), "slowest": ("table", "json")}.get(mode, ("table",))
    if output not in formats:
        raise UsageError(
            f"--format {output} is not for --{mode}", next_step=f"It has {' and '.join(formats)}."
        )
