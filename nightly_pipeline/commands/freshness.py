"""`nightly doctor --freshness`: do nights still come? For an outside cron, which notices a scheduler that is dead."""

from __future__ import annotations

import re
from datetime import timedelta

import click

from nightly_pipeline.commands.options import console, print_json
from nightly_pipeline.settings import Settings

LATE = 3
_SPAN = re.compile(r"(?P<count>[0-9]+(\.[0-9]+)?)(?P<unit>[mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """A span of time: `90m`, `26h`, `2d`."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or float(found["count"]) == 0:
        raise click.BadParameter(f"{text!r} is no span of time; write 90m, 26h or 2d")
    return timedelta(**{_UNITS[found["unit"]]: float(found["count"])})


def show_freshness(settings: Settings, output: str, *, max_age: timedelta | None, tell: bool) -> int:
    """Print whether nights still come; return the exit code: 0, or 3 when they are late."""
    from nightly_pipeline.assets.freshness import freshness_of, open_alarm
    from nightly_pipeline.assets.instance import open_instance
    from nightly_pipeline.errors import NightlyError
    from nightly_pipeline.model.freshness import freshness_sentence

    freshness = freshness_of(open_instance(settings), settings, max_age=max_age)
    if output == "json":
        print_json({**freshness.model_dump(mode="json"), "sentence": freshness_sentence(freshness)})
    else:
        console().print(freshness_sentence(freshness), markup=False, soft_wrap=True)
    if tell and settings.slack.configured:
        try:
            open_alarm(settings).consider(freshness)
        except NightlyError as error:  # that nights are late is what the exit code is about
            click.echo(f"the team could not be told: {error.message}", err=True)
    return LATE if freshness.late else 0
