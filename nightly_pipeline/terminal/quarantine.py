"""The entries of the quarantine and how they stand."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from nightly_pipeline.model.judgement import QuarantineNote
from nightly_pipeline.model.reading import Tone
from nightly_pipeline.terminal.words import column_table, keep_whole, marked, plain_text

_TONES = {
    "active": Tone.PENDING,
    "expired": Tone.BAD,
    "ready_to_leave": Tone.GOOD,
    "unmatched": Tone.UNKNOWN,
}


def quarantine_table(notes: Sequence[QuarantineNote], file: str) -> RenderableType:
    """One row an entry, with what is to be done about those that count no more."""
    if not notes:
        return Text(f"Nothing is in the quarantine ({file}).")
    table = column_table("Test", "Cells", "State", "Until", "Owner", "Issue", "Reason")
    keep_whole(table, 2, 3)
    for note in notes:
        table.add_row(
            plain_text(note.test),
            plain_text(", ".join(note.cells) or "all"),
            marked(_TONES[note.state], note.state),
            plain_text(note.expires),
            plain_text(note.owner),
            plain_text(note.issue),
            plain_text(note.reason),
        )
    return Group(table, *(Text(line) for line in _to_do(notes)))


def _to_do(notes: Sequence[QuarantineNote]) -> list[str]:
    expired = sum(note.state == "expired" for note in notes)
    ready = sum(note.state == "ready_to_leave" for note in notes)
    said = []
    if expired:
        said.append(f"{expired} expired: their failures count again; mend the tests, or say anew until when.")
    if ready:
        said.append(f"{ready} ready to leave: good for long enough; remove the entries.")
    return said
