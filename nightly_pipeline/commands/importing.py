"""The command that brings a past from elsewhere into the history."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from nightly_pipeline.commands.history import known_cell, past_night
from nightly_pipeline.commands.options import profile_option
from nightly_pipeline.errors import RecordError, UsageError
from nightly_pipeline.settings import load_settings

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


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
    from nightly_pipeline.model.imported_rows import ImportedRun
    from nightly_pipeline.steps.importing import files_in, import_files
    from nightly_pipeline.stores import open_history
    from nightly_pipeline.tools.junit_reader import read_junit

    settings = load_settings(profile)
    known_cell(settings, **{name: facts[name] for name in ("framework", "arch", "stage")})
    run = ImportedRun(
        date=past_night(night, "--date"), run_id="", engine_kind=facts.pop("engine"), image_digest=_digest(image),
        source_revision=facts.pop("revision"), **facts,
    )  # fmt: skip
    found = open_history(settings)
    done = []
    for file in import_files(files_in(folder), run, lambda path: read_junit(path).cases, found):
        done.append(file)
        click.echo(f"{file.path}: {file.problem or f'{file.tests} tests'}", err=file.problem is not None)
    bad = sum(file.problem is not None for file in done)
    click.echo(
        f"{sum(file.tests for file in done)} tests of {len(done) - bad} files are remembered; {bad} files are not"
    )
    found.pack(before=datetime.now(UTC).date().isoformat())
    sys.exit(RecordError.exit_code if bad else 0)


def _digest(image: str | None) -> str | None:
    """A tag is refused: it moves, and what passed and failed on one and the same image is called flaky."""
    if image is None or _DIGEST.fullmatch(image):
        return image
    raise UsageError(
        f"--image: {image!r} is no digest",
        next_step="Write it as sha256: and 64 hexadecimal digits, or leave it out.",
    )
