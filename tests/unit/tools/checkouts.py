"""A checkout to read from, written to with plain git."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Checkout:
    """A checkout that is written to with plain git."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")

    def git(self, *arguments, at=FIRST):
        env = {**os.environ, "GIT_COMMITTER_DATE": at.isoformat(), "GIT_AUTHOR_DATE": FIRST.isoformat()}
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, name, content="x", mode=0o644):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)

    def commit(self, subject, at=FIRST):
        self.git("add", "--all", at=at)
        self.git("commit", "--quiet", "--allow-empty", "-m", subject, at=at)
        return self.git("rev-parse", "HEAD")
