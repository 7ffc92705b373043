"""The `nightly` command: its verbs put together, and errors mapped to exit codes.

Heavy imports (Dagster takes about two seconds) happen in the commands that need them, so that `--help` answers at once.
"""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console

from nightly_pipeline import __version__
from nightly_pipeline.commands import (
    bisect,
    history,
    images,
    importing,
    known_good,
    night,
    publish,
    quarantine,
    upkeep,
)
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.exit_codes import INTERRUPTED, exit_codes_text


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
            ctx.exit(INTERRUPTED)


def _show_error(error: NightlyError) -> None:
    console = Console(stderr=True, highlight=False)
    console.print("error:", style="bold red", end=" ")
    console.print(error.message, markup=False)
    console.print(f"  next: {error.next_step}", markup=False)


@click.group(
    cls=NightlyGroup, epilog=exit_codes_text(), context_settings={"help_option_names": ["-h", "--help"]}
)
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


for _verb in (
    night.plan,
    night.run,
    night.rerun,
    night.status,
    night.report,
    publish.publish,
    images.images,
    known_good.promote,
    known_good.rollback,
    quarantine.quarantine,
    bisect.bisect,
    history.history,
    importing.import_results,
    upkeep.doctor,
    upkeep.prune,
):
    main.add_command(_verb)


if __name__ == "__main__":
    main(prog_name="nightly")
