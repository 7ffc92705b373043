"""The one door to Docker daemons: connecting, and what their errors become."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import docker
import docker.utils
import requests
import urllib3
from docker.errors import (
    APIError,
    DockerException,
    TLSParameterError,
    create_api_error_from_http_exception,
)

from nightly_pipeline.errors import ContainerError, DiskFull, EnvironmentNotReady
from nightly_pipeline.model.masking import mask

Answer = TypeVar("Answer")

UNREACHABLE = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    ConnectionError,
    TimeoutError,
)
"""What keeps a call from reaching a daemon, or its answer from reaching us."""

_TIMEOUT_S = 120
_CHUNK_BYTES = 1024**2


@contextmanager
def open_daemon(
    docker_host: str | None, *, docker_config: Path | None = None, timeout_s: int = _TIMEOUT_S
) -> Iterator[docker.APIClient]:
    """Connect to a daemon and translate what goes wrong with it.

    Args:
        docker_host: as DOCKER_HOST has it; None is what the `docker` command would use.
        docker_config: folder with a config.json whose logins are used; None is the user's own.
        timeout_s: of one call.

    Raises:
        EnvironmentNotReady: nobody answers there.
        ContainerError: the daemon refused a call inside the block.
    """
    with explained(docker_host):
        client = _connect(docker_host, timeout_s)
        try:
            if docker_config is not None:
                client.reload_config(str(docker_config / "config.json"))
            yield client
        finally:
            client.close()


def _connect(docker_host: str | None, timeout_s: int) -> docker.APIClient:
    """With DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and contexts as the `docker` command has them."""
    try:
        if docker_host is None:
            return docker.from_env(timeout=timeout_s, use_ssh_client=True).api
        arguments: dict[str, Any] = {**docker.utils.kwargs_from_env()}
        arguments |= {"base_url": docker_host, "timeout": timeout_s, "version": "auto"}
        return docker.APIClient(**arguments, use_ssh_client=docker_host.startswith("ssh://"))
    except (DockerException, *UNREACHABLE) as error:
        if isinstance(error, TLSParameterError | APIError):
            raise
        raise _no_answer(docker_host, error) from error


@contextmanager
def explained(docker_host: str | None) -> Iterator[None]:
    """Turn docker-py's errors into ours."""
    try:
        yield
    except APIError as error:
        raise refusal(error, docker_host) from error
    except UNREACHABLE as error:
        raise _no_answer(docker_host, error) from error
    except DockerException as error:
        raise ContainerError(f"{daemon_name(docker_host)}: {mask(str(error))}") from error


def refusal(error: APIError, docker_host: str | None) -> ContainerError | DiskFull:
    """The error for a call that a daemon answered with an error."""
    said = explanation(error)
    if "no space left on device" in said:
        return DiskFull(f"{daemon_name(docker_host)} has no space left: {said}")
    return ContainerError(f"{daemon_name(docker_host)} refused: {said}")


def explanation(error: APIError) -> str:
    """What the daemon said, without the address docker-py puts before it."""
    return mask(str(error.explanation or error)).strip()


def daemon_name(docker_host: str | None) -> str:
    """How messages name a daemon."""
    return f"the Docker daemon at {mask(docker_host)}" if docker_host else "this machine's Docker daemon"


def _no_answer(docker_host: str | None, error: Exception) -> EnvironmentNotReady:
    return EnvironmentNotReady(f"{daemon_name(docker_host)} does not answer: {mask(str(error))}")


@contextmanager
def archive_of(
    api: docker.APIClient, container: str, path: str, *, deadline_s: float
) -> Iterator[Iterator[bytes]]:
    """A path of a container as the chunks of a tar archive.

    docker-py's `get_archive` cannot be left early: its stream stays open, and as long as it does, the daemon
    does not remove the container.

    Raises:
        NotFound: there is no such path, or container.
        TimeoutError: (while reading) the archive did not come within the deadline.
    """
    url = f"{api.base_url}/v{api.api_version}/containers/{quote(container, safe='')}/archive"
    with api.get(url, params={"path": path}, stream=True, timeout=api.timeout) as response:
        try:
            response.raise_for_status()
        except requests.exceptions.HTTPError as error:
            create_api_error_from_http_exception(error)
        yield _until(time.monotonic() + deadline_s, response.iter_content(_CHUNK_BYTES))


def _until(deadline: float, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if time.monotonic() > deadline:
            raise TimeoutError("it took too long")
        yield chunk


def within(deadline_s: float, call: Callable[[], Answer], *, what: str) -> Answer:
    """Make a call that has no timeout of its own; the caller stays free to be interrupted.

    Raises:
        TimeoutError: it did not end in time. Its thread is left behind; it ends with the process.
    """
    outcome: list[tuple[Answer | None, BaseException | None]] = []

    def make() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            outcome.append((None, error))

    thread = threading.Thread(target=make, name=what, daemon=True)
    thread.start()
    thread.join(deadline_s)
    if not outcome:
        raise TimeoutError(f"{what} took longer than {deadline_s:g} s")
    answer, failure = outcome[0]
    if failure is not None:
        raise failure
    return answer  # type: ignore[return-value]
