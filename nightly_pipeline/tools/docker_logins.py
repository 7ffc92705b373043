"""The logins that Docker's own configuration holds on this machine, as docker-py reads them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from docker import auth
from docker.credentials.constants import PROGRAM_PREFIX
from docker.errors import DockerException
from docker.utils.config import config_path_from_environment, home_dir

from nightly_pipeline.errors import RegistryForbidden, RegistryUnavailable
from nightly_pipeline.tools.acr import ACR_USER
from nightly_pipeline.tools.registry_auth import Credentials

HUB = "docker.io"
HUB_KEY = auth.INDEX_URL
"""What Docker's configuration calls Docker Hub."""

_HELPER_S = 20.0  # a credential helper may wait for somebody at a keyboard
_UNREADABLE = (DockerException, OSError, ValueError, LookupError, TypeError, AttributeError)

_Answer = Mapping[str, Any] | None


def users_folder() -> Path:
    """The folder of the user's own configuration: DOCKER_CONFIG, or `~/.docker`. It need not exist."""
    named = config_path_from_environment()
    return Path(named).parent if named else Path(home_dir()) / ".docker"


def users_login(host: str, *, folder: Path | None = None, within_s: float = _HELPER_S) -> Credentials | None:
    """The login for a host, from `auths` or from a credential helper; None where there is none.

    Args:
        host: host[:port]; Docker Hub is `docker.io`.
        folder: of the configuration; None is the user's own.
        within_s: seconds a credential helper may take.

    Raises:
        RegistryForbidden: the configuration or its helper says something that cannot be read.
        RegistryUnavailable: the helper gives no answer.
    """
    file = (folder or users_folder()) / "config.json"
    try:
        return _credentials(_within(within_s, lambda: _ask(file, host)))
    except Empty:
        raise RegistryUnavailable(
            f"{host}: the credential helper that {file} names gave no answer within {within_s:g} s",
            next_step=f"Ask it by hand: `docker login {host}`.",
        ) from None
    except _UNREADABLE as error:  # a helper's words may hold anything, so they are not repeated
        raise RegistryForbidden(
            f"{host}: the login that {file} has for it cannot be read ({type(error).__name__})",
            next_step=f"Correct the file or its credential helper, or run `docker login {host}`.",
        ) from None


def _ask(file: Path, host: str) -> _Answer:
    config = auth.load_config(str(file))
    store = config.get_credential_store(host)
    helper = f"{PROGRAM_PREFIX}{store}"
    if store and shutil.which(helper) is None:
        raise RegistryForbidden(
            f"{host}: {helper} is not installed, which {file} names for it",
            next_step=f"Install {helper} for the user who runs this, or take it out of the file.",
        )
    found: _Answer = config.resolve_authconfig(host)
    return found


def _credentials(found: _Answer) -> Credentials | None:
    """Docker writes fields in lower case in files, and in upper case from helpers."""
    fields = {name.lower(): value for name, value in (found or {}).items()}
    if fields.get("identitytoken"):  # what `az acr login` leaves; it goes by the null user
        return Credentials(ACR_USER, fields["identitytoken"])
    if fields.get("username") and fields.get("password"):
        return Credentials(fields["username"], fields["password"])
    return None


def _within(seconds: float, ask: Callable[[], _Answer]) -> _Answer:
    """What `ask` returns or raises; Empty when it takes longer. docker-py waits for a helper as long as it likes."""
    answers: SimpleQueue[_Answer | Exception] = SimpleQueue()

    def put() -> None:
        try:
            answers.put(ask())
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            answers.put(error)

    threading.Thread(target=put, name="docker-login", daemon=True).start()
    answer = answers.get(timeout=seconds)
    if isinstance(answer, Exception):
        raise answer
    return answer
