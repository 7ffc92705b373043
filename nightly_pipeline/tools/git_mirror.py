"""A bare copy of a repository elsewhere: its branches and tags, fetched when asked."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import stamina

from nightly_pipeline.errors import NightlyError, ProcessError, SourceError
from nightly_pipeline.model.masking import without_credentials
from nightly_pipeline.tools import process
from nightly_pipeline.tools.git_command import CALM, Git, explain

_BRANCHES_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_FULL_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFUSED = re.compile(
    r"Authentication failed|could not read Username|Permission denied|[Rr]epository .*not found|"
    r"does not appear to be a git repository|does not exist|returned error: 40[134]"
)


def is_address(repository: str) -> bool:
    """Whether this names a repository elsewhere (an address, or `user@host:path`) rather than a folder."""
    return "://" in repository or re.fullmatch(r"[\w.-]+@[\w.-]+:.+", repository) is not None


class Mirror:
    """A bare copy, below `cache`, of the repository at `address`.

    The address may carry a login (`https://user:token@host/...`). It is handed to git in a file of our own
    that lives as long as the call, and is stored nowhere else.
    """

    def __init__(self, address: str, *, cache: Path, deadline_s: float) -> None:
        self._login = _login_of(address)
        self.address = without_credentials(address) if self._login else address
        name = re.sub(r"[^\w.-]+", "-", self.address.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git"))
        key = hashlib.sha256(self.address.encode()).hexdigest()[:12]
        self._path = cache / "mirrors" / f"{name}-{key}.git"
        self.git = Git(git_dir=self._path, work_tree=None, deadline_s=deadline_s)

    def __repr__(self) -> str:
        return f"Mirror({self.address!r})"

    def fetch(self, ref: str) -> None:
        """Bring branches and tags up to date, and `ref` when it is a hash or a full name.

        Raises:
            SourceError: the repository cannot be reached, or refuses.
        """
        with self._locked():
            if not (self._path / "HEAD").exists():
                self._call("init", "--quiet", "--bare", str(self._path))
            self._ask(
                "fetch", "--quiet", "--prune", "--no-write-fetch-head", self.address, *_BRANCHES_AND_TAGS
            )
            self._follow_default_branch()
            if ref.startswith("refs/") and not ref.startswith(("refs/heads/", "refs/tags/")):
                self._ask("fetch", "--quiet", self.address, f"+{ref}:{ref}")
            elif _FULL_HASH.fullmatch(ref) and not self.has(ref):
                self._ask("fetch", "--quiet", self.address, ref)

    def has(self, commit: str) -> bool:
        """Whether this full hash is a commit that is here already."""
        return (
            _FULL_HASH.fullmatch(commit) is not None
            and (self._path / "HEAD").exists()
            and self.git.answer("cat-file", "-e", f"{commit}^{{commit}}") is not None
        )

    def _follow_default_branch(self) -> None:
        answer = self._ask("ls-remote", "--symref", self.address, "HEAD")
        if found := re.match(r"ref: (refs/heads/\S+)\s+HEAD", answer):
            self.git("symbolic-ref", "HEAD", found[1])

    def _ask(self, *arguments: str) -> str:
        """A call over the network: repeated when it may have been the network."""
        with self._credentials() as options:
            for attempt in stamina.retry_context(on=_may_pass, attempts=3, wait_initial=1.0, timeout=None):
                with attempt:
                    return self._call(*options, f"--git-dir={self._path}", *arguments)
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _call(self, *arguments: str) -> str:
        try:
            return process.run(
                ["git", *arguments], deadline_s=self.git.deadline_s, env=CALM, secrets=self._secrets
            ).stdout
        except ProcessError as error:
            raise _explain(error, self.address) from error

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._login[1],) if self._login else ()

    @contextmanager
    def _credentials(self) -> Iterator[tuple[str, ...]]:
        if self._login is None:
            yield ()
            return
        with tempfile.TemporaryDirectory(prefix="nightly-git-") as folder:  # made with mode 0700
            file = Path(folder) / "credentials"
            file.write_text(self._login[0] + "\n")
            yield (
                "-c",
                "credential.helper=",
                "-c",
                f"credential.helper=store --file={shlex.quote(str(file))}",
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Two processes must not fetch into one mirror at the same time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _login_of(address: str) -> tuple[str, str] | None:
    """(the line git's credential store wants, the secret in it), or None."""
    parts = urlsplit(address) if "://" in address else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.username:
        return None
    user_part = parts.netloc.rpartition("@")[0]
    login = user_part if parts.password else f"{user_part}:"
    line = f"{parts.scheme}://{login}@{parts.netloc.rpartition('@')[2]}"
    return line, unquote(parts.password or parts.username)


def _explain(error: ProcessError, address: str) -> NightlyError:
    explained = explain(error, address)
    if isinstance(explained, SourceError) and _REFUSED.search(error.stderr_tail):
        explained.next_step = "Check the address in `source.repository`, and the login or key it needs."
    return explained


def _may_pass(error: Exception) -> bool:
    cause = error.__cause__
    return (
        isinstance(error, SourceError)
        and isinstance(cause, ProcessError)
        and _REFUSED.search(cause.stderr_tail) is None
    )
