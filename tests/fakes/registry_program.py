"""A docker-registry of a test's own: the real program, on a free port, its data in a folder that goes with the test."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.ports import free_port

PROGRAM = "docker-registry"
_STARTS_WITHIN_S = 120


class RegistryProgram:
    """Starts and ends it, and can kill it in the middle of whatever it does."""

    def __init__(self, folder: Path, *, auth: Mapping[str, Any] | None = None) -> None:
        self.port = free_port()
        self.data = folder / "data"
        self._config = folder / "config.yml"
        self._log = folder / "registry.log"
        folder.mkdir(parents=True, exist_ok=True)
        document = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.data)}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}"},
            **({"auth": dict(auth)} if auth else {}),
        }
        self._config.write_text(yaml.safe_dump(document))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "serve", str(self._config)], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not self._answers():
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a crash does: nobody is told, nothing is finished."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://{self.host}/v2/", timeout=10, trust_env=False).status_code in {200, 401}
        except httpx.TransportError:
            return False
