"""Tests that are known to be bad, each by name, with an owner, a reason and a date on which it counts again.

A quarantined test still runs, and its stage is as red as it is; it is shown apart, and what is promoted may look past
it. It leaves by itself once it was good for long enough.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from nightly_pipeline.model.catalog import Strict
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Judgement, QuarantineNote, Verdict
from nightly_pipeline.model.past import TestNight

_ISSUE = re.compile(r"https?://\S+|[\w./-]*[#!-]\d+")
_UNLIKE = ("unit/test_kv.py::test_evict", "e2e/serve/test_chat.py::TestChat::test_streams[a-1]")
"""Two tests that have nothing in common: what means both means nearly every one."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Cell = Annotated[str, Field(pattern=r"^[a-z0-9_-]+/[a-z0-9_-]+$")]
State = Literal["active", "expired", "ready_to_leave", "unmatched"]
Pasts = Mapping[TestIdentity, Sequence[TestNight]]


class QuarantineEntry(Strict):
    """One entry of the file.

    Attributes:
        test: a node id; `*` stands for any characters, `?` for one. Without parameters it means all of them.
        owner: who mends it.
        issue: where it is followed.
        since: the first night it counts for.
        expires: the last night it counts for.
        cells: `framework/arch`; empty is every cell.
    """

    test: Text
    owner: Text
    reason: Text
    issue: Text
    since: date
    expires: date
    cells: tuple[Cell, ...] = ()

    @field_validator("test")
    @classmethod
    def _names_a_test(cls, test: str) -> str:
        if all(_pattern(test).fullmatch(one) for one in _UNLIKE) or not test.strip("*?:"):
            raise ValueError("a pattern that means every test would hide a whole night; name a test")
        return test

    @field_validator("issue")
    @classmethod
    def _can_be_followed(cls, issue: str) -> str:
        if not _ISSUE.fullmatch(issue):
            raise ValueError("where it is followed: an address (https://...), #217 or KV-217")
        return issue

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> QuarantineEntry:
        if self.expires < self.since - timedelta(days=1):  # an entry may be ended on its first day
            raise ValueError(f"expires ({self.expires}) is before since ({self.since})")
        return self

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a whole node id, with or without its parameters, must look like."""
        return _pattern(self.test)

    def means(self, test: TestIdentity) -> bool:
        """Whether a test is meant, whatever the date."""
        if self.cells and "/".join(test.cell) not in self.cells:
            return False
        name = test.node_id
        bare = name.partition("[")[0]
        return self.pattern.fullmatch(name) is not None or self.pattern.fullmatch(bare) is not None

    def covers(self, night: str) -> bool:
        """Whether the entry counts for a night (YYYY-MM-DD) by its dates."""
        return self.since <= date.fromisoformat(night) <= self.expires


def _pattern(test: str) -> re.Pattern[str]:
    words = {"*": ".*", "?": "."}
    return re.compile("".join(words.get(sign) or re.escape(sign) for sign in test), re.DOTALL)


class Quarantine(Strict):
    """All entries, and after how many good nights in a row a test leaves by itself."""

    entries: tuple[QuarantineEntry, ...] = ()
    leave_after_nights: int = Field(default=14, gt=0)

    def means(self, test: TestIdentity) -> bool:
        """Whether any entry means a test, whatever the date."""
        return self._may_mean(test.node_id) and any(entry.means(test) for entry in self.entries)

    def meant(self, tests: Collection[TestIdentity]) -> list[TestIdentity]:
        """Those of a night's tests that any entry means; each name is looked at once for all its cells."""
        names = {name for name in {test.node_id for test in tests} if self._may_mean(name)}
        return [test for test in tests if test.node_id in names and self.means(test)]

    @cached_property
    def _names(self) -> re.Pattern[str]:
        return re.compile(
            "|".join(f"(?:{entry.pattern.pattern})" for entry in self.entries) or "(?!)", re.DOTALL
        )

    def _may_mean(self, name: str) -> bool:
        """Whether any entry fits a name, asked once for all of them: most tests of a night are not meant."""
        return any(self._names.fullmatch(one) for one in {name, name.partition("[")[0]})

    def active(self, test: TestIdentity, nights: Sequence[TestNight], night: str) -> QuarantineEntry | None:
        """The entry that a test is quarantined by on a night; None when it counts like any other."""
        if not self._may_mean(test.node_id):
            return None
        before = [one for one in nights if one.date < night]
        for entry in self.entries:
            if entry.means(test) and entry.covers(night) and not self._left(entry, before):
                return entry
        return None

    def notes(
        self, pasts: Pasts, night: str, *, today: str | None = None, whole: bool = True
    ) -> tuple[QuarantineNote, ...]:
        """How each entry that has begun stands.

        Args:
            pasts: the nights of every test that any entry means.
            night: whose results count, YYYY-MM-DD.
            today: what an entry's dates are compared with; None is that night.
            whole: everything that is planned ran. Otherwise a test that is not there says nothing.
        """
        now = today or night
        begun = (one for one in self.entries if str(one.since) <= now)
        meant = {test: pasts[test] for test in self.meant(pasts)}
        return tuple(self._note(one, meant, night, now, whole=whole) for one in begun)

    def _note(
        self, entry: QuarantineEntry, pasts: Pasts, night: str, now: str, *, whole: bool
    ) -> QuarantineNote:
        own = [nights for test, nights in pasts.items() if entry.means(test) and nights]
        tonight = [nights[-1] for nights in own if nights[-1].date == night]
        return QuarantineNote(
            **entry.model_dump(mode="json", exclude={"since"}),
            state=self._state(entry, own, now) if whole and tonight else _unseen(entry, now, whole=whole),
            failing=sum(one.bad for one in tonight),
            passed_nights=min((_good_nights(_within(entry, nights)) for nights in own), default=0),
        )

    def _state(
        self,
        entry: QuarantineEntry,
        own: Sequence[Sequence[TestNight]],
        now: str,
    ) -> State:
        if not entry.covers(now):
            return "expired"
        return "ready_to_leave" if all(self._left(entry, nights) for nights in own) else "active"

    def _left(self, entry: QuarantineEntry, nights: Sequence[TestNight]) -> bool:
        """Whether it was good for so many nights in a row at any time since it came in."""
        within = _within(entry, nights)
        return any(_good_nights(within[: at + 1]) >= self.leave_after_nights for at in range(len(within)))


def _unseen(entry: QuarantineEntry, now: str, *, whole: bool) -> State:
    """Where none of its tests, or perhaps not all of them, could be seen."""
    if not entry.covers(now):
        return "expired"
    return "unmatched" if whole else "active"


def quarantined_failures(judgement: Judgement | None) -> frozenset[TestIdentity]:
    """The bad tests of a night that are quarantined: what may be looked past when an image is promoted.

    No status changes by it: a stage with quarantined failures is as red as pytest left it. None of a night that was not
    judged.
    """
    verdicts = judgement.verdicts if judgement else ()
    return frozenset(one.test for one in verdicts if one.verdict is Verdict.QUARANTINED)


def _within(entry: QuarantineEntry, nights: Iterable[TestNight]) -> list[TestNight]:
    return [one for one in nights if one.date >= str(entry.since) and (one.good or one.bad)]


def _good_nights(nights: Sequence[TestNight]) -> int:
    """For how many nights in a row it was good at the end, without a failed attempt."""
    count = 0
    for one in reversed(nights):
        if not one.good or one.mixed:
            break
        count += 1
    return count
