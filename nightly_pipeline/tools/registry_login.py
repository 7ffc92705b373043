"""Logins for the docker command line, in a folder of the run's own.

The user's own login is neither used up nor overwritten, and a run's passwords are gone when it ends.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.tools.registry_auth import Credentials

_SHARED = ("buildx", "contexts", "cli-plugins")
"""What else docker keeps beside its config.json, and must still find: builders, contexts, plugins."""


@contextmanager
def docker_config(
    logins: Mapping[str, Credentials], *, user_folder: Path | None, asked: Collection[str] = ()
) -> Iterator[Path | None]:
    """A DOCKER_CONFIG with these logins on top of the user's, as long as the block lasts.

    Args:
        logins: host[:port] -> login.
        user_folder: the user's own folder, usually `~/.docker`; None when there is none to build on.
        asked: hosts the user's credential store is asked for, beside those that the user's configuration names.

    Yields:
        The folder, readable by its owner only; None when there are no logins and the user's own will do.

    Raises:
        SettingsError: the user's config.json cannot be read.
    """
    if not logins:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="nightly-docker-") as name:  # made with mode 0700
        folder = Path(name)
        write_logins(folder, logins, user_folder=user_folder, asked=asked)
        _link_shared(folder, user_folder)
        yield folder


def write_logins(
    folder: Path,
    logins: Mapping[str, Credentials],
    *,
    user_folder: Path | None,
    asked: Collection[str] = (),
) -> None:
    """Write these logins into a folder of ours, whole or not at all: docker may be reading it."""
    config = _with_logins(_read(user_folder), logins, asked)
    new = folder / "config.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(config))
    new.replace(folder / "config.json")


def _read(user_folder: Path | None) -> dict[str, Any]:
    file = user_folder / "config.json" if user_folder else None
    if file is None or not file.exists():
        return {}
    try:
        config: dict[str, Any] = json.loads(file.read_text())
        return dict(config)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}", next_step="Correct or remove it.") from error


def _with_logins(
    config: dict[str, Any], logins: Mapping[str, Credentials], asked: Collection[str]
) -> dict[str, Any]:
    """Docker asks a credential store before it looks at `auths`, so the store keeps the other hosts only.

    It keeps them by name. Docker's command would take an empty helper for our hosts beside the store, but docker-py,
    which pulls for the runners, would ask the store for them all the same.
    """
    own = {host: auth for host, auth in config.get("auths", {}).items() if host not in logins}
    helpers = {host: name for host, name in config.get("credHelpers", {}).items() if host not in logins}
    if store := config.get("credsStore"):
        others = [host for host in asked if host not in logins]
        helpers = {**dict.fromkeys([*own, *others], store), **helpers}
    auths = {host: {"auth": login.basic.removeprefix("Basic ")} for host, login in logins.items()}
    rest = {key: value for key, value in config.items() if key != "credsStore"}
    return {**rest, "auths": {**own, **auths}, "credHelpers": helpers}


def _link_shared(folder: Path, user_folder: Path | None) -> None:
    for name in _SHARED if user_folder else ():
        shared = (user_folder or folder) / name
        if shared.is_dir():
            with suppress(FileExistsError):
                (folder / name).symlink_to(shared.absolute(), target_is_directory=True)
