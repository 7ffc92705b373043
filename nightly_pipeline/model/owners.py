"""Who is asked first about a test: a map in the format of CODEOWNERS, in which the last pattern that fits wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from codeowners import CodeOwners

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.model.history import TestIdentity

PLACES = ("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Where the file is looked for when the profile names none."""


@dataclass(frozen=True)
class Owners:
    """The owners' file, read.

    Attributes:
        rules: its patterns; None: there is no file, and nobody is asked.
        suite: the folder of the tests in the repository, which node ids start below of.
    """

    rules: CodeOwners | None = None
    suite: str = "."
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Of files that were asked about: hundreds of tests may be in one, and every pattern is tried on each file."""

    def of(self, test: TestIdentity) -> tuple[str, ...]:
        """The owners of a test's file, as the file spells them; empty when none is named."""
        return self.of_file(test.node_id.partition("::")[0])

    def of_file(self, file: str) -> tuple[str, ...]:
        """The owners of a file, its path as node ids have it."""
        return self.of_path(str(PurePosixPath(self.suite) / file)) if file else ()

    def of_path(self, path: str) -> tuple[str, ...]:
        """The owners of a file, its path as the repository has it: a Dockerfile, for example."""
        if self.rules is None:
            return ()
        if path not in self._known:
            self._known[path] = tuple(name for _, name in self.rules.of(path))
        return self._known[path]

    def of_all(self, tests: Iterable[TestIdentity]) -> tuple[str, ...]:
        """The owners of several tests, who owns most of them first."""
        counted = Counter(name for test in tests for name in self.of(test))
        return tuple(sorted(counted, key=lambda name: (-counted[name], name)))


def parse_owners(text: str, *, file: str, suite: str = ".") -> Owners:
    """Read an owners' file.

    Args:
        text: its content.
        file: its name, for errors.
        suite: the folder of the tests in the repository.

    Raises:
        SettingsError: a pattern cannot be understood.
    """
    try:
        return Owners(CodeOwners(text), suite)
    except ValueError as error:
        raise SettingsError(
            f"owners' file {file!r} is not valid: {error}",
            next_step="Write it as GitHub's CODEOWNERS: a pattern and its owners on each line.",
        ) from None
