"""Tests that changed their name: one that is gone and one that is there for the first time, alike beyond doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping

from nightly_pipeline.model.history import BAD_RESULTS, TestIdentity, TestRow
from nightly_pipeline.model.signature import says_little


def renamed(newcomers: Iterable[TestRow], gone: Iterable[TestRow]) -> dict[TestIdentity, TestIdentity]:
    """New name -> old name, where exactly one of each fit.

    They fit when they have the same name in another file or class, or when both were bad with the same error in the
    same file.

    Args:
        newcomers: bad tests of tonight that were never there before.
        gone: last night's results of tests that are not there tonight.
    """
    newcomers, gone = list(newcomers), list(gone)
    found = _pairs(_by(newcomers, _moved), _by(gone, _moved))
    rest = [row for row in newcomers if row.identity not in found]
    left = [row for row in gone if row.identity not in set(found.values())]
    return {**_pairs(_by(rest, _same_error), _by(left, _same_error)), **found}


def _moved(row: TestRow) -> Hashable:
    _, found, name = row.node_id.partition("::")
    return (row.framework, row.arch, row.stage, name.rpartition("::")[2]) if found else None


def _same_error(row: TestRow) -> Hashable:
    if row.result not in BAD_RESULTS or not row.signature or says_little(row.message or ""):
        return None
    file, _, name = row.node_id.partition("::")
    parameters = name.partition("[")[2]
    return row.framework, row.arch, row.stage, file, parameters, row.signature


def _by(rows: Iterable[TestRow], key: Callable[[TestRow], Hashable]) -> Mapping[Hashable, list[TestIdentity]]:
    """A test has several rows where its stage ran twice that night; it is one test all the same."""
    found: dict[Hashable, dict[TestIdentity, None]] = defaultdict(dict)
    for row in rows:
        found[key(row)][row.identity] = None
    return {one: list(names) for one, names in found.items()}


def _pairs(
    new: Mapping[Hashable, list[TestIdentity]], old: Mapping[Hashable, list[TestIdentity]]
) -> dict[TestIdentity, TestIdentity]:
    return {
        names[0]: old[key][0]
        for key, names in new.items()
        if key is not None and len(names) == 1 and len(old.get(key, ())) == 1
    }
