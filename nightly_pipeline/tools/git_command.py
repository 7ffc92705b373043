"""Call git on one repository, and tell its failures apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nightly_pipeline.errors import EnvironmentNotReady, ProcessError, SourceError
from nightly_pipeline.model.masking import mask
from nightly_pipeline.tools import process

CALM = {
    "LC_ALL": "C",  # messages are read below
    "GIT_TERMINAL_PROMPT": "0",  # nobody is there to answer
    "GIT_OPTIONAL_LOCKS": "0",  # looking at a checkout must not write to it
    "GIT_DIR": None,  # set when we run inside a git hook, and then they name another repository
    "GIT_WORK_TREE": None,
    "GIT_INDEX_FILE": None,
    "GIT_OBJECT_DIRECTORY": None,
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": None,
}
_DUBIOUS = re.compile(r"detected dubious ownership in repository at '(?P<path>[^']+)'")
_NO_SPACE = "No space left on device"


@dataclass(frozen=True)
class Git:
    """One repository.

    Attributes:
        git_dir: its `.git` folder, or the bare repository.
        work_tree: the checkout; None for a bare repository.
        deadline_s: seconds any one command may take.
    """

    git_dir: Path
    work_tree: Path | None
    deadline_s: float

    def __call__(
        self, *arguments: str | Path, env: dict[str, str] | None = None, work_tree: Path | None = None
    ) -> str:
        """Run a command and return its standard output, without the last newline. Raises ProcessError."""
        tree = work_tree or self.work_tree
        where = [f"--git-dir={self.git_dir}", *([f"--work-tree={tree}"] if tree else [])]
        completed = process.run(
            ["git", *where, *arguments],
            deadline_s=self.deadline_s,
            env={**CALM, **(env or {})},
            cwd=tree or self.git_dir,
            keep_bytes=64 * 1024 * 1024,
        )
        return completed.stdout.removesuffix("\n")

    def answer(self, *arguments: str) -> str | None:
        """Like a call, but None when git says no (an exit code other than 0)."""
        try:
            return self(*arguments)
        except ProcessError as error:
            if error.exit_code_of_process is None:
                raise
            return None


def explain(error: ProcessError, repository: str) -> SourceError | EnvironmentNotReady | ProcessError:
    """What a failed git command means for who asked for `repository`."""
    if error.exit_code_of_process is None and not error.stderr_tail:
        return error  # git is not installed, or did not end in time: says so itself
    said = mask(error.stderr_tail)
    if dubious := _DUBIOUS.search(said):
        return SourceError(
            f"{repository} belongs to another user, and git refuses to read it as this one.",
            next_step=f"Trust it: `git config --global --add safe.directory {dubious['path']}`.",
        )
    if _NO_SPACE in said:
        return EnvironmentNotReady(f"No space is left for {repository}:\n{said}", next_step="Free space.")
    return SourceError(f"git failed on {repository}:\n{said or error.message}")
