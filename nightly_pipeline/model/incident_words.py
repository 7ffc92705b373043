"""What an error's words say about its cause, and an incident in words a person reads first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from nightly_pipeline.model.judgement import Incident
from nightly_pipeline.model.quantities import plural
from nightly_pipeline.model.signature import normalised, says_little

_DAYS_BY_NAME = 7
_LITERAL = r"(?:[-\w.<>]{1,40}|'[^']{0,40}'|\"[^\"]{0,40}\")"
_BARE = re.compile(
    rf"(?:AssertionError: )?assert {_LITERAL} (?:==|!=|<=|>=|<|>|in|not in|is|is not) {_LITERAL}"
)
_CONSEQUENCE = re.compile(
    r"connection ?(?:refused|reset|aborted|error)|broken ?pipe|remote ?disconnected|server disconnected|"
    r"(?:server|engine|worker|process) (?:is |has |was )?(?:not running|dead|died|gone|exited|closed|down)|"
    r"engine ?dead|max retries exceeded|service unavailable|\b503\b|timed? ?out",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Words:
    """What an error's words say of its cause.

    Attributes:
        little: next to nothing.
        bare: that two values differ.
        consequence: that something else died.
    """

    little: bool
    bare: bool
    consequence: bool


def words_of(message: str) -> Words:
    """What an error says; the same for all errors of one signature."""
    return Words(says_little(message), is_bare_comparison(message), is_consequence(message))


def is_consequence(message: str) -> bool:
    """Whether an error is what is seen when something else died: nobody answers any more.

    >>> is_consequence("ConnectionRefusedError: [Errno 111] Connection refused")
    True
    """
    return says_little(message) or _CONSEQUENCE.search(normalised(message)) is not None


def is_bare_comparison(message: str) -> bool:
    """Whether an error compares two values and names nothing: unrelated tests may well have the same.

    >>> is_bare_comparison("assert 404 == 200"), is_bare_comparison("assert 404 == 200 + where 404 = status(answer)")
    (True, False)
    """
    return _BARE.fullmatch(normalised(message)) is not None


def phrase(incident: Incident, tonight: str) -> str:
    """How large and how old an incident is: `30 tests, 4 cells, since Tuesday`.

    Args:
        incident: it.
        tonight: the night it is read on, YYYY-MM-DD.
    """
    return ", ".join([*_sizes(incident), *_since(incident.since, tonight)])


def _sizes(incident: Incident) -> list[str]:
    tests, cells = set(incident.tests), set(incident.cells)
    return [*([plural(len(tests), "test")] if tests else []), plural(len(cells), "cell")]


def _since(first: str | None, tonight: str) -> list[str]:
    if first is None:
        return []
    days = (date.fromisoformat(tonight) - date.fromisoformat(first)).days
    if days <= 0:
        return ["since tonight"]
    return [f"since {date.fromisoformat(first):%A}" if days < _DAYS_BY_NAME else f"since {first}"]
