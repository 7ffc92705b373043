"""Follows a container's output from before its start to its end, in a thread of its own.

The output is read from the container's own streams, not from the daemon's log files, which rotate. Only when
that connection breaks while the container goes on, the log is asked for the rest.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import docker
import docker.utils.socket
from docker.errors import APIError, DockerException

from nightly_pipeline.tools.container_daemon import UNREACHABLE
from nightly_pipeline.tools.container_logs import FrameDecoder, GuardedSink, LineLog, LogLimits, note

_log = logging.getLogger(__name__)

_READ_BYTES = 256 * 1024
_STDOUT = 1
_PATIENCE_S = 60.0
"""How long a daemon whose connection broke may take to answer again."""


class LogFollower:
    """Reads a container's output. `attach` before the container starts, `finish` when it has ended."""

    def __init__(self, api: docker.APIClient, container: str, sink: GuardedSink, limits: LogLimits) -> None:
        self._api = api
        self._container = container
        self._sink = sink
        self._lines = LineLog(sink, limits)
        self._thread = threading.Thread(target=self._follow, name=f"log of {container[:40]}", daemon=True)
        self._socket: Any = None

    def attach(self) -> None:
        """Connect to the streams of a container that has not started, so that nothing is missed."""
        streams = {"stdout": 1, "stderr": 1, "stream": 1}
        self._socket = self._api.attach_socket(self._container, params=streams)
        self._thread.start()

    def finish(self, patience_s: float) -> None:
        """Wait until all output is read. What has not come within the patience is given up, and said."""
        self._thread.join(patience_s)
        if self._thread.is_alive():
            note(
                self._sink, f"the end of the output did not come within {patience_s:g} s and is missing here"
            )

    def _follow(self) -> None:
        try:
            broke = self._read_streams()
            if broke or self._still_running():
                self._read_log()
        except (DockerException, OSError, *UNREACHABLE):
            _log.warning("the output of container %s broke off", self._container, exc_info=True)
            note(self._sink, "the connection to the Docker daemon broke: output is missing here")
        finally:
            self._disconnect()
        self._lines.finish()

    def _disconnect(self) -> None:
        response = getattr(self._socket, "_response", None)  # where docker-py keeps the connection alive
        (self._socket if response is None else response).close()

    def _read_streams(self) -> bool:
        """Read to the end; whether that was surely not the container's."""
        decoder = FrameDecoder()
        try:
            while data := docker.utils.socket.read(self._socket, _READ_BYTES):
                for stream, content in decoder.feed(data):
                    self._lines.feed(stream, content)
        except OSError:
            _log.debug("the streams of container %s broke", self._container, exc_info=True)
            return True
        return False

    def _still_running(self) -> bool:
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return bool(self._api.inspect_container(self._container)["State"]["Running"])
            except APIError:
                return False
            except UNREACHABLE:  # what broke the streams may have broken this connection, too
                if time.monotonic() > give_up:
                    raise
                time.sleep(1)

    def _read_log(self) -> None:
        """The whole log from its start, less what has been read: the daemon knows no position in it."""
        note(self._sink, "the connection to the Docker daemon broke; going on from the daemon's log")
        known = self._lines.total_bytes
        for content in self._api.logs(self._container, stdout=True, stderr=True, stream=True, follow=True):
            skipped = min(known, len(content))
            known -= skipped
            if content[skipped:]:
                self._lines.feed(_STDOUT, content[skipped:])
