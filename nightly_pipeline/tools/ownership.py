"""Which containers are ours: the labels every container carries, and the id of this installation."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import uuid
from pathlib import Path

from nightly_pipeline.errors import EnvironmentNotReady

RUN_LABEL = "io.nightly.run-id"
STEP_LABEL = "io.nightly.step"
DEADLINE_LABEL = "io.nightly.deadline"
"""Unix seconds after which nobody waits for the container any more."""
OWNER_LABEL = "io.nightly.owner"

_FILE = "installation-id"


def installation_id(home: Path) -> str:
    """The id of the installation whose state lives in `home`; made once and kept in a file there.

    Raises:
        EnvironmentNotReady: `home` cannot be written to.
    """
    path = home / _FILE
    try:
        return _kept(path) or _made(path)
    except OSError as error:
        raise EnvironmentNotReady(f"{path} cannot be used: {error.strerror}") from error


def default_owner() -> str:
    """An id for a runner that was given none: this checkout, of this user, on this machine."""
    place = f"{socket.gethostname()}\n{getpass.getuser()}\n{Path(__file__).resolve().parent}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def _kept(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _made(path: Path) -> str:
    """Written beside and linked into place: of several processes at a time, one id wins for all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{_FILE}-{uuid.uuid4().hex}")
    draft.write_text(f"{uuid.uuid4().hex[:16]}\n", encoding="utf-8")
    try:
        os.link(draft, path)
    except FileExistsError:
        if not _kept(path):  # empty: a machine that lost power while it was written
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return _kept(path)
