"""The commands of the history: read a test's past, keep the history sound, bring a past from elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nightly_pipeline.commands.options import console, format_option, print_json, profile_option
from nightly_pipeline.errors import RecordError, UsageError
from nightly_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from nightly_pipeline.model.history import TestIdentity
    from nightly_pipeline.model.past import TestNight
    from nightly_pipeline.tools.history_lookup import Where

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
      nightly history test_streams_tokens
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


@click.command("import")
@profile_option
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--date", "night", required=True, metavar="YYYY-MM-DD", help="Which night they are of.")
@click.option("--framework", required=True, help="Which framework was tested.")
@click.option("--arch", required=True, help="On which architecture.")
@click.option("--stage", required=True, help="In which test stage.")
@click.option("--revision", metavar="COMMIT", help="The commit that was tested, where it is known.")
@click.option("--image", metavar="sha256:...", help="The image that was tested, where it is known.")
@click.option("--engine", type=click.Choice(["real", "mock"]), default="real", show_default=True)
def import_results(
    profile: str | None, folder: Path, night: str, image: str | None, **facts: str | None
) -> None:
    """Bring JUnit XML that other systems made into the history, so that a team's past is there from the first night.

    DIR is searched for *.xml, below it too. A file that is imported again replaces itself. A file that cannot be read
    is named and left out; then the exit code is 8.

    \b
    Examples:
      nightly import results/2026-10-01/unit --date 2026-10-01 --framework vllm --arch amd64 --stage unit
      nightly import junit.xml --date 2026-10-01 --framework vllm --arch amd64 --stage unit --revision 9fceb02
    """
    from nightly_pipeline.assets.workplace import open_history
    from nightly_pipeline.model.imported_rows import ImportedRun
    from nightly_pipeline.steps.importing import files_in, import_files
    from nightly_pipeline.tools.junit_reader import read_junit

    settings = load_settings(profile)
    _known(settings, **{name: facts[name] for name in ("framework", "arch", "stage")})
    run = ImportedRun(
        date=_date(night), run_id="", engine_kind=facts.pop("engine"), image_digest=image,
        source_revision=facts.pop("revision"), **facts,
    )  # fmt: skip
    found = open_history(settings)
    done = []
    for file in import_files(files_in(folder), run, lambda path: read_junit(path).cases, found):
        done.append(file)
        click.echo(f"{file.path}: {file.problem or f'{file.tests} tests'}", err=file.problem is not None)
    found.pack(before=datetime.now(UTC).date().isoformat())
    bad = sum(file.problem is not None for file in done)
    click.echo(
        f"{sum(file.tests for file in done)} tests of {len(done) - bad} files are remembered; {bad} files are not"
    )
    sys.exit(RecordError.exit_code if bad else 0)


def _show_test(settings: Settings, name: str, where: Where, limit: int, output: str) -> None:
    from nightly_pipeline.tools.history_lookup import HistoryLookup

    lookup = HistoryLookup(settings.history_root)
    tests = lookup.tests(name, where, limit=limit)
    if not tests:
        near = lookup.nearest(name, where)
        raise RecordError(
            f"no test with {name!r} in its name since {where.since}",
            next_step=f"Perhaps you meant: {', '.join(near)}" if near else "Look further back with --since.",
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
    from nightly_pipeline.assets.workplace import open_history
    from nightly_pipeline.model.past import engine_kind, pasts

    rows = open_history(settings).of_tests(tests, since=where.since)
    newest = {row.identity: engine_kind(row) or "real" for row in rows}
    until = max((row.date for row in rows), default="")
    kinds = {kind: pasts(rows, until=until, engine=kind) for kind in set(newest.values())}
    return [(test, kinds[newest[test]].get(test, ()) if test in newest else ()) for test in tests]


def _document(test: TestIdentity, nights: Sequence[TestNight]) -> dict[str, Any]:
    shown = [{**night.row.model_dump(mode="json"), "flaky": night.mixed} for night in nights]
    return {**test.model_dump(), "nights": shown}


def _check(settings: Settings) -> int:
    from nightly_pipeline.assets.workplace import open_history

    problems = open_history(settings).problems(thorough=True)
    for problem in problems:
        click.echo(str(problem))
    click.echo(f"{len(problems)} files of the history cannot be read" if problems else "the history is whole")
    return RecordError.exit_code if problems else 0


def _rebuild(settings: Settings) -> int:
    from nightly_pipeline.nights import remember_nights

    bad = 0
    for night, remembered in remember_nights(settings):
        bad += bool(remembered.problems)
        click.echo(f"{night}: {remembered}")
    return RecordError.exit_code if bad else 0


def _warn(settings: Settings) -> None:
    from nightly_pipeline.assets.workplace import open_history

    problems = open_history(settings).problems()
    if problems:
        click.echo(
            f"{len(problems)} files of the history cannot be read, so nights may be missing here;"
            " nightly history --check names them",
            err=True,
        )


def _where(settings: Settings, *, since: str | None, **cell: str | None) -> Where:
    from nightly_pipeline.tools.history_lookup import Where

    _known(settings, **cell)
    first = _date(since) if since else (datetime.now(UTC).date() - timedelta(days=_DAYS)).isoformat()
    return Where(**cell, since=first)


def _known(settings: Settings, *, framework: str | None, arch: str | None, stage: str | None) -> None:
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


def _date(text: str) -> str:
    """A night, of before go-live too: an imported past is older than the pipeline."""
    from nightly_pipeline.model.dates import parse_night

    return parse_night(text, today=datetime.now(UTC).date(), go_live=date.min).isoformat()
