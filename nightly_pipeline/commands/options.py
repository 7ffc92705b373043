"""What the commands share: the options, the profile's night and selection, and how they print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich.console import Console

from nightly_pipeline.model.selection import Selection, select
from nightly_pipeline.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


def profile_option(command: _Command) -> _Command:
    """`--profile`."""
    return click.option(
        "--profile",
        metavar="local|local-real|production|PATH",
        help="Which profile; default NIGHTLY_PROFILE, or local.",
    )(command)


def selection_options(command: _Command) -> _Command:
    """`--framework`, `--arch`, `--stage`, `--images-only`: a part of the night."""
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


def format_option(*names: str) -> Callable[[_Command], _Command]:
    """`--format`, one of these names; the first is the default."""
    return click.option("--format", "output", type=click.Choice(names), default=names[0], show_default=True)


date_option = click.option(
    "--date", default="today", show_default=True, metavar="YYYY-MM-DD", help="Which night."
)


def selected(
    settings: Settings,
    *,
    frameworks: Iterable[str],
    architectures: Iterable[str],
    stages: Iterable[str],
    images_only: bool,
) -> Selection:
    """The selection that the options name; an unknown name is an error that offers the nearest."""
    return select(
        settings.table,
        frameworks=frameworks,
        architectures=architectures,
        stages=stages,
        tests=not images_only,
    )


def night_of(settings: Settings, date: str) -> str:
    """The night a person named: `today`, `yesterday` or a date, as YYYY-MM-DD."""
    from nightly_pipeline.model.dates import parse_night

    return parse_night(date, today=datetime.now(UTC).date(), go_live=settings.go_live).isoformat()


def console() -> Console:
    """Where tables go: colours only where they are wanted and can be shown."""
    return Console(highlight=False)


def print_json(document: Any) -> None:
    """Print plain values as JSON."""
    click.echo(json.dumps(document, indent=2))
