"""What the exit codes of `nightly` mean. Those of errors are told by the errors themselves."""

from __future__ import annotations

from nightly_pipeline.errors import NightlyError

INTERRUPTED = 130
"""As a shell names a program that was ended by Ctrl-C: 128 and the number of the signal."""


def exit_codes() -> dict[int, str]:
    """Every exit code and what it means, in their order."""
    of_errors = {kind.exit_code: _first_line(kind) for kind in NightlyError.__subclasses__()}
    of_nights = {
        0: "green, or the command did what it says",
        1: "not green: the night is red or incomplete, or may not be promoted",
        INTERRUPTED: "interrupted; what was started was ended",
    }
    return dict(sorted((of_errors | of_nights).items()))


def exit_codes_text() -> str:
    """The list at the end of `nightly --help`. Its first line keeps click from wrapping it."""
    lines = (f"  {code:<4}{meaning}" for code, meaning in exit_codes().items())
    return "\n".join(("\b", "Exit codes:", *lines))


def _first_line(kind: type[NightlyError]) -> str:
    line = (kind.__doc__ or "").splitlines()[0].rstrip(".")
    return line[:1].lower() + line[1:]
