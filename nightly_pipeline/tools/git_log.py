"""The commits between two revisions."""

from __future__ import annotations

from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.tools.git_command import Git

MOST_COMMITS = 1000
_FIELDS = "%H%x00%an%x00%s"


def commits_between(git: Git, before: str, after: str, *, first_parent: bool) -> tuple[Commit, ...]:
    """The commits that `after` has and `before` has not, newest first; of people's at most MOST_COMMITS.

    Args:
        git: of the repository.
        before: a commit's hash.
        after: a commit's hash.
        first_parent: only what was put on the branch itself (a merge is one commit, by who merged); otherwise every
            commit of people, without the merges. A search needs all of the former: one that is left out is never
            to blame.
    """
    which = ["--first-parent"] if first_parent else ["--no-merges", f"--max-count={MOST_COMMITS}"]
    lines = git(
        "log",
        "-z",
        *which,
        "--no-show-signature",
        f"--format={_FIELDS}",
        "--end-of-options",
        f"{before}..{after}",
    )
    fields = lines.split("\0")
    triples = zip(fields[::3], fields[1::3], fields[2::3], strict=False)
    return tuple(
        Commit(revision=revision, author=author, subject=subject) for revision, author, subject in triples
    )
