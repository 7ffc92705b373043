"""A checkout on this machine: only ever read, also when its working tree is dirty."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from nightly_pipeline.errors import ProcessError, SourceError
from nightly_pipeline.tools import process
from nightly_pipeline.tools.git_command import CALM, Git


def open_checkout(path: Path, deadline_s: float) -> Git:
    """The repository in this very folder, a checkout or a bare one. Raises SourceError when there is none."""
    folder = path.expanduser().resolve()
    if not folder.is_dir():
        raise SourceError(f"{path} is not a folder, so there is no repository in it.")
    git_dir = Path(_ask(folder, deadline_s, "--absolute-git-dir"))
    if git_dir.resolve() == folder:
        return Git(git_dir=git_dir, work_tree=None, deadline_s=deadline_s)
    top = Path(_ask(folder, deadline_s, "--show-toplevel"))
    if top.resolve() != folder:
        # Git looks upwards: a mistyped path inside another checkout must not build that one.
        raise SourceError(
            f"{path} is not a git repository; it lies inside one.",
            next_step=f"Name the checkout itself: {top}.",
        )
    return Git(git_dir=git_dir, work_tree=top, deadline_s=deadline_s)


def snapshot(git: Git, store: Path) -> str:
    """The tree of the working tree as it is, with changes and untracked files, without ignored ones.

    What is new is written to the objects folder `store`; the repository, its index included, stays as it is.
    """
    if not git("status", "--porcelain", "--untracked-files=normal"):
        return git("rev-parse", "HEAD^{tree}")
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nightly-index-") as folder:
        index = Path(folder) / "index"
        _copy_index(git, index)
        env = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(store),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _git_path(git, "objects"),
        }
        git("add", "--all", env=env)
        return git("write-tree", env=env)


def _copy_index(git: Git, target: Path) -> None:
    """A copy spares git from reading every file again: the index knows which are unchanged."""
    index = Path(_git_path(git, "index"))
    if index.exists():
        shutil.copyfile(index, target)


def _git_path(git: Git, name: str) -> str:
    return git("rev-parse", "--path-format=absolute", "--git-path", name)


def _ask(folder: Path, deadline_s: float, question: str) -> str:
    try:
        answer = process.run(["git", "rev-parse", question], deadline_s=deadline_s, env=CALM, cwd=folder)
    except ProcessError as error:
        if "not a git repository" not in error.stderr_tail:
            raise
        raise SourceError(f"{folder} is not a git repository.") from error
    return answer.stdout.removesuffix("\n")
