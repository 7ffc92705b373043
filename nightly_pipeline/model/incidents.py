"""Failures that have one cause, put together: by the error's signature, and by failing together.

To say of two failures that they have one cause when they have two hides one of them, so what says little (a timeout,
`assert False`) is put together only where it began at the same time in one file, and different errors only where one
is what the other leaves behind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import chain

from nightly_pipeline.model.history import TestIdentity, TestResult, TestRow
from nightly_pipeline.model.incident_words import Words, words_of
from nightly_pipeline.model.judgement import Incident, TestVerdict, Verdict
from nightly_pipeline.model.signature import common_title, signature_of
from nightly_pipeline.model.verdicts import VERDICT_ORDER

_APART = {Verdict.FLAKY: "flaky", Verdict.QUARANTINED: "quarantined"}
_FIRST_EVER = ""  # sorts before every date


@dataclass(frozen=True, slots=True)
class Failure:
    """One test that is bad tonight, as far as its grouping needs it.

    Attributes:
        row: tonight's result.
        bad_on: the nights on which it had this error, of late, oldest first; tonight is the last.
        began: the first night of the present row of this error.
        good_until: the last night on record before that on which it did not have it; None: there is none.
        nights: how long that row is.
    """

    verdict: TestVerdict
    row: TestRow
    bad_on: tuple[str, ...]
    began: str
    good_until: str | None
    nights: int

    @property
    def message(self) -> str:
        """The error, untrusted text."""
        return self.row.message or ""

    @property
    def signature(self) -> str:
        """Of the error; of its message where none was kept."""
        return self.row.signature or signature_of(self.message)

    @property
    def file(self) -> str:
        """Of the test, as its node id has it."""
        return self.row.node_id.partition("::")[0]

    @property
    def place(self) -> tuple[str, str, str]:
        """(framework, arch, stage)."""
        return self.row.framework, self.row.arch, self.row.stage


@dataclass(frozen=True)
class _Group:
    """What is asked of it again and again is found once: hundreds of groups of thousands of failures are compared."""

    key: tuple[str, ...]
    failures: tuple[Failure, ...]
    words: Words

    @cached_property
    def places(self) -> frozenset[tuple[str, str, str]]:
        return frozenset(failure.place for failure in self.failures)

    @cached_property
    def crashed(self) -> frozenset[tuple[str, str, str]]:
        """Where it took the process with it."""
        return frozenset(one.place for one in self.failures if one.row.result is TestResult.CRASHED)

    @cached_property
    def files(self) -> frozenset[str]:
        return frozenset(failure.file for failure in self.failures)

    @cached_property
    def is_of_setup(self) -> bool:
        return all(failure.row.result is TestResult.ERROR for failure in self.failures)

    @cached_property
    def first(self) -> Failure:
        return min(self.failures, key=lambda failure: (failure.began, failure.place, failure.row.node_id))

    @cached_property
    def interval(self) -> tuple[str, str]:
        """After which night and until which it began."""
        latest_good = max(failure.good_until or _FIRST_EVER for failure in self.failures)
        return latest_good, min(failure.began for failure in self.failures)

    @cached_property
    def common_nights(self) -> tuple[str, ...]:
        """The nights on which all of it was bad, where these are the same for all."""
        every = {one.bad_on for one in self.failures}
        return next(iter(every)) if len(every) == 1 else ()

    @cached_property
    def came_again(self) -> bool:
        """It was there, was away, and came again."""
        return any(one.began > night for one in self.failures for night in self.common_nights)

    @cached_property
    def size(self) -> tuple[int, tuple[str, ...]]:
        return len(self.failures), self.key


def incidents_of(failures: Sequence[Failure]) -> tuple[Incident, ...]:
    """The incidents of a night, what is new first, then the largest. Every failure is in exactly one."""
    groups = list(chain.from_iterable(_split(group) for group in _by(failures)))
    merged = _by_module(_without_consequences(groups))
    found = [_incident(group) for group in merged]
    return tuple(sorted(found, key=lambda one: (VERDICT_ORDER.index(one.verdict), -len(one.tests), one.id)))


def _key(failure: Failure, words: Words) -> tuple[str, ...]:
    """Failures of different keys are never put together for their error alone."""
    apart = _APART.get(failure.verdict.verdict, "")
    if apart == "flaky" and (words.little or words.bare):  # its test's own, whatever its parameters and cell
        return failure.signature, apart, failure.row.node_id.partition("[")[0]
    if words.little:
        return failure.signature, apart, failure.file
    return (failure.signature, apart, "") if words.bare else (failure.signature, apart)


def _split(group: _Group) -> list[_Group]:
    """Of an error that could have many causes, what began at different times is kept apart."""
    if len(group.key) == 2 or group.key[1] == "flaky":  # noqa: PLR2004 - (signature, apart)
        return [group]
    parts: list[list[Failure]] = []
    after = until = _FIRST_EVER
    for failure in sorted(group.failures, key=lambda one: (one.began, one.good_until or _FIRST_EVER)):
        after, until = max(after, failure.good_until or _FIRST_EVER), min(until, failure.began)
        if after >= until:  # it began at another time than those before it
            parts.append([])
            after, until = failure.good_until or _FIRST_EVER, failure.began
        parts[-1].append(failure)
    groups = [replace(group, failures=tuple(part)) for part in parts]
    return [replace(part, key=(*part.key, part.first.began)) for part in groups]


def _without_consequences(groups: Sequence[_Group]) -> list[_Group]:
    """Put what an error leaves behind to that error, where only one can have left it."""
    into: dict[tuple[str, ...], _Group] = {}
    for group in filter(_can_be_caused, groups):
        causes = [other for other in groups if other is not group and _can_cause(other, group)]
        if len(causes) == 1 and causes[0].key not in into:
            into[group.key] = causes[0]
    left_by: dict[tuple[str, ...], list[_Group]] = defaultdict(list)
    for group in filter(lambda one: one.key in into, groups):
        left_by[_first_cause(group, into).key].append(group)
    return [_joined(group, left_by.get(group.key, ())) for group in groups if group.key not in into]


def _first_cause(group: _Group, into: Mapping[tuple[str, ...], _Group]) -> _Group:
    """A cause may turn out to be what another error left behind."""
    while group.key in into:
        group = into[group.key]
    return group


def _joined(group: _Group, others: Sequence[_Group]) -> _Group:
    return replace(group, failures=(*group.failures, *chain.from_iterable(one.failures for one in others)))


def _can_be_caused(group: _Group) -> bool:
    """Asked first, because most errors of a night in which everything breaks cannot be."""
    return not group.key[1] and (group.words.consequence or group.is_of_setup or len(group.common_nights) > 1)


def _can_cause(cause: _Group, group: _Group) -> bool:
    if cause.key[1] or group.key[1]:
        return False
    if not _began_with(cause, group):
        return False
    if cause.crashed >= group.places and group.words.consequence:
        return not group.crashed
    if cause.places != group.places:
        return False
    return _leaves_behind(cause, group) or _one_fixture(cause, group) or _came_and_went(cause, group)


def _leaves_behind(cause: _Group, group: _Group) -> bool:
    return group.words.consequence and not cause.words.consequence


def _one_fixture(cause: _Group, group: _Group) -> bool:
    """Errors in the set-up of one module: the larger group gives the name."""
    setups = cause.is_of_setup and group.is_of_setup
    return setups and cause.size > group.size and len(cause.files | group.files) == 1


def _came_and_went(cause: _Group, group: _Group) -> bool:
    """Both were there on the same nights, more than once: that is no chance."""
    return cause.came_again and cause.size > group.size and cause.common_nights == group.common_nights


def _by_module(groups: Sequence[_Group]) -> list[_Group]:
    """Put together what began in one module on one night in the same cells, whatever it says: one change did it.

    That two changes break the same module on the same night, each in all of these cells, is much less likely. Of
    single tests nothing is said.
    """
    modules: dict[tuple[object, ...], list[_Group]] = defaultdict(list)
    for group in groups:
        alone = group.key if group.key[1] or len(group.files) > 1 else ()
        outside = any(one.verdict.verdict is Verdict.ENVIRONMENT for one in group.failures)
        modules[(*alone, group.files, group.places, outside)].append(group)
    return list(chain.from_iterable(_of_module(own) if len(own) > 1 else own for own in modules.values()))


def _of_module(groups: Sequence[_Group]) -> list[_Group]:
    """The largest with what began when it did, and the others."""
    largest = max(groups, key=lambda group: group.size)
    if len({failure.row.node_id for failure in largest.failures}) == 1:
        return list(groups)
    others = [group for group in groups if group is not largest]
    with_it = [group for group in others if _began_with(largest, group)]
    return [_joined(largest, with_it), *(group for group in others if group not in with_it)]


def _began_with(one: _Group, other: _Group) -> bool:
    after = max(one.interval[0], other.interval[0])
    return after < min(one.interval[1], other.interval[1])


def _incident(group: _Group) -> Incident:
    first, failures = group.first, group.failures
    alike = [one for one in failures if one.signature == group.key[0]]
    named = alike[0] if alike else first
    return Incident(
        id=incident_id(*group.key),
        title=common_title(named.message, (one.message for one in alike)),
        verdict=_verdict(failures),
        tests=tuple(sorted((one.verdict.test for one in failures), key=_order)),
        cells=tuple(sorted({one.place[:2] for one in failures})),
        since=first.began,
        nights=max(one.nights for one in failures),
        message=named.message,
        last_good=first.verdict.last_good,
        first_bad_revision=first.verdict.first_bad_revision,
        last_good_revision=first.verdict.last_good_revision,
    )


def _verdict(failures: Sequence[Failure]) -> Verdict:
    """New is an error that none of them had before tonight, also where a test was bad with another one."""
    verdicts = {failure.verdict.verdict for failure in failures}
    begins_tonight = all(failure.nights == 1 for failure in failures)
    if len(verdicts) == 1 and not (begins_tonight and Verdict.RECURRING in verdicts):
        return verdicts.pop()
    return Verdict.NEW if begins_tonight or Verdict.RECURRING not in verdicts else Verdict.RECURRING


def incident_id(*parts: str) -> str:
    """Eight hexadecimal digits, the same for the same parts on every night."""
    return blake2b("\0".join(parts).encode(errors="replace"), digest_size=4).hexdigest()


def _order(test: TestIdentity) -> tuple[str, str, str, str]:
    return test.framework, test.arch, test.stage, test.node_id


def _by(failures: Iterable[Failure]) -> list[_Group]:
    """By their keys. What an error says is found once for all failures with its signature."""
    words: dict[str, Words] = {}
    found: dict[tuple[str, ...], list[Failure]] = defaultdict(list)
    for failure in failures:
        signature = failure.signature
        if signature not in words:
            words[signature] = words_of(failure.message)
        found[_key(failure, words[signature])].append(failure)
    return [_Group(key, tuple(some), words[key[0]]) for key, some in found.items()]
