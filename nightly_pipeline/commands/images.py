"""The commands that show images: all of the last nights, or one in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from nightly_pipeline.commands.options import console, format_option, night_of, print_json, profile_option
from nightly_pipeline.errors import RecordError, UsageError
from nightly_pipeline.model.selection import select
from nightly_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from nightly_pipeline.model.report import Report
    from nightly_pipeline.steps.ports import Registry


@click.group(invoke_without_command=True)
@profile_option
@click.option("--limit", default=7, show_default=True, type=click.IntRange(min=1), help="How many nights.")
@format_option("table", "json")
@click.pass_context
def images(context: click.Context, profile: str | None, limit: int, output: str) -> None:
    """Show the images of the last nights: digests, sizes, engines, verdicts, tags, and what known-good is now.

    The registries are asked what their tags name; one that could not be asked is shown as such.

    \b
    Examples:
      nightly images
      nightly images --limit 30 --format json | jq '.known_good'
      nightly images show vllm amd64
    """
    if context.invoked_subcommand is not None:
        context.obj = profile
        return
    from nightly_pipeline.assets.known_good import image_registries
    from nightly_pipeline.steps.image_list import list_images
    from nightly_pipeline.terminal.images import images_table

    settings = load_settings(profile)
    found = list_images(
        _reports(settings, limit),
        image_registries(settings),
        settings.table.frameworks,
        settings.table.architectures,
    )
    if output == "json":
        print_json(found.model_dump(mode="json"))
    else:
        console().print(images_table(found))


@images.command()
@profile_option
@click.argument("what", nargs=-1, required=True, metavar="REFERENCE | FRAMEWORK ARCH")
@click.option("--date", metavar="YYYY-MM-DD", help="Of this night; default the newest nightly.")
@format_option("table", "json")
@click.pass_context
def show(
    context: click.Context, profile: str | None, what: tuple[str, ...], date: str | None, output: str
) -> None:
    """Show one image in full: engine and its version, base image by digest, commit, package list.

    REFERENCE is a tag or digest of the primary registry, or a whole reference with its host.

    \b
    Examples:
      nightly images show vllm amd64
      nightly images show trtllm arm64 --date 2026-11-20
      nightly images show known-good-vllm --format json
      nightly images show localhost:5001/nightly:known-good-vllm-amd64
    """
    from nightly_pipeline.assets.known_good import image_registries
    from nightly_pipeline.steps.image_list import describe_image
    from nightly_pipeline.terminal.images import description

    settings = load_settings(profile or context.obj)
    registries = image_registries(settings)
    role, name = _wanted(settings, registries, what, date)
    found = describe_image(name, registries[role], registries)
    if output == "json":
        print_json(found.model_dump(mode="json"))
    else:
        console().print(description(found))


def _reports(settings: Settings, limit: int) -> list[Report]:
    """The reports of the newest nights; a night that nothing is known of any more is left out."""
    from contextlib import suppress

    from nightly_pipeline.nights_on_record import read_report
    from nightly_pipeline.stores import open_records

    reports: list[Report] = []
    for night in reversed(open_records(settings).store.dates()):
        if len(reports) == limit:
            break
        with suppress(RecordError):
            reports.append(read_report(settings, night=night.isoformat(), run_id=None))
    return reports


def _wanted(
    settings: Settings, registries: Mapping[str, Registry], what: tuple[str, ...], date: str | None
) -> tuple[str, str]:
    """(role of a registry, tag or digest)."""
    if len(what) == 1:
        if date:
            raise UsageError(
                "--date goes with FRAMEWORK ARCH", next_step="A reference says its image itself."
            )
        return _parsed(settings, registries, what[0])
    if len(what) != 2:  # noqa: PLR2004 - FRAMEWORK ARCH
        raise UsageError("give a REFERENCE, or a FRAMEWORK and an ARCH")
    cell = select(settings.table, frameworks=what[:1], architectures=what[1:])
    framework, arch = cell.frameworks[0], cell.architectures[0]
    return settings.primary, _of_cell(settings, framework, arch, date)


def _of_cell(settings: Settings, framework: str, arch: str, date: str | None) -> str:
    from nightly_pipeline.model.tags import nightly_tag
    from nightly_pipeline.stores import open_records

    if date is None:
        return nightly_tag(framework, arch)
    night = night_of(settings, date)
    image = open_records(settings).good_image(night, framework, arch, "runtime")
    if image is None or image.digest is None:
        raise RecordError(f"no good image of {framework}/{arch} is on record for the night of {night}")
    return image.digest


def _parsed(settings: Settings, registries: Mapping[str, Registry], reference: str) -> tuple[str, str]:
    for role, registry in registries.items():
        for separator in (":", "@"):
            start = registry.reference("x").removesuffix(":x") + separator
            if reference.startswith(start):
                return role, reference.removeprefix(start)
    if "/" in reference:
        known = ", ".join(registry.reference("TAG") for registry in registries.values())
        raise UsageError(f"{reference} is in no registry of this profile", next_step=f"Allowed: {known}.")
    return settings.primary, reference
