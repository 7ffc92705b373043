"""What became of publishing again, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from nightly_pipeline.model.outcomes import PublicationOutcome, PublicationStatus
from nightly_pipeline.model.report import key_of

_DIGEST_SHOWN = 12


def publications_table(done: Sequence[tuple[PublicationStatus, PublicationOutcome, str | None]]) -> Table:
    """One row a publication.

    Args:
        done: what it was, what it is, and why nothing was done (None where something was).
    """
    table = Table("Publication", "Was", "Is", "Digest", "Note", box=box.SIMPLE_HEAD)
    for before, after, why in done:
        digest = (after.digest or "").removeprefix("sha256:")[:_DIGEST_SHOWN]
        table.add_row("/".join(key_of(after)), before.value, after.status.value, digest, why or "")
    return table
