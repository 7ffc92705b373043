"""What a console of a given width would show."""

from __future__ import annotations

import io
import re

from rich.cells import cell_len
from rich.console import Console, RenderableType

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def console(
    width: int = 80, *, terminal: bool = False, height: int = 60, environ: dict[str, str] | None = None
) -> Console:
    """A console into memory that knows nothing of the environment the tests run in."""
    return Console(
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
        highlight=False,
        _environ=environ or {},
    )


def written(to: Console) -> str:
    """Everything that was written to a console."""
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def screen(renderable: RenderableType, width: int = 80) -> str:
    """A renderable as plain text; fails when it is wider than the console or has a control character."""
    to = console(width)
    to.print(renderable)
    text = written(to)
    assert not CONTROL.search(text)
    assert max((cell_len(line) for line in text.splitlines()), default=0) <= width
    return text


def joined(text: str) -> str:
    """Text without white space: what folds over lines is one again."""
    return re.sub(r"\s+", "", text)
