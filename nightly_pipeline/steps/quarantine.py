"""How the entries of the quarantine stand, by the newest whole night on record."""

from __future__ import annotations

from nightly_pipeline.model.judgement import QuarantineNote
from nightly_pipeline.model.past import pasts
from nightly_pipeline.model.quarantine import Quarantine
from nightly_pipeline.steps.ports import History


def standing(quarantine: Quarantine, history: History, *, today: str) -> tuple[QuarantineNote, ...]:
    """A note for each entry that has begun.

    Args:
        quarantine: the entries.
        history: what tests did; where it has nothing yet, dates alone count.
        today: YYYY-MM-DD; an entry is expired by this date, not by that of the newest night.

    Raises:
        NightlyError: the history cannot be read.
    """
    nights = history.nights(until=today)
    if not nights or not quarantine.entries:
        return quarantine.notes({}, today)
    last = next((night for night in reversed(nights) if not night.partial), nights[-1])  # a part lacks tests
    meant = [row.identity for row in history.tests(last.date) if quarantine.means(row.identity)]
    since = min(entry.since for entry in quarantine.entries).isoformat()
    rows = history.of_tests(sorted(set(meant), key=str), since=since, until=today)
    return quarantine.notes(pasts(rows, until=today, engine=last.engine_kind), last.date, today=today)
