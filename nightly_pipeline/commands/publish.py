"""The command that publishes what a night could not."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from nightly_pipeline.commands.options import (
    console,
    date_option,
    format_option,
    night_of,
    print_json,
    profile_option,
    selected,
)
from nightly_pipeline.settings import load_settings

if TYPE_CHECKING:
    from nightly_pipeline.steps.republish import Republication


@click.command()
@profile_option
@date_option
@click.option("--framework", "frameworks", multiple=True, help="Only this framework; repeat for more.")
@click.option("--arch", "architectures", multiple=True, help="Only this architecture; repeat for more.")
@format_option("table", "json")
def publish(
    profile: str | None, date: str, frameworks: tuple[str, ...], architectures: tuple[str, ...], output: str
) -> None:
    """Publish what a night has built and not published everywhere, without building anything again.

    For the morning after a registry was down. Images are copied from the primary registry by digest, under the tags
    their run would have given; multi-arch indexes follow; the night's report and message are made anew. Exits with 1
    when something is still not published.

    \b
    Examples:
      nightly publish
      nightly publish --date 2026-11-20
      nightly publish --date yesterday --framework vllm --format json
    """
    from nightly_pipeline.publications import publish_night
    from nightly_pipeline.terminal.publications import publications_table

    # How repetitions end is said; each one is not.
    logging.getLogger("stamina").addHandler(logging.NullHandler())
    settings = load_settings(profile)
    selection = selected(
        settings, frameworks=frameworks, architectures=architectures, stages=(), images_only=True
    )
    say = (lambda line: click.echo(line, err=True)) if output == "json" else click.echo
    done = publish_night(settings, selection, say, date=night_of(settings, date))
    if output == "json":
        print_json([_document(one) for one in done])
    else:
        console().print(publications_table([(one.before.status, one.after, one.why) for one in done]))
    sys.exit(0 if done and all(one.is_good for one in done) else 1)


def _document(done: Republication) -> dict[str, Any]:
    return {
        "before": done.before.status.value,
        "why_not": done.why,
        **done.after.model_dump(mode="json"),
    }
