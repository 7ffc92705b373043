"""What this image is, and how the server of its engine is started.

Standard library only, and little of it: these files also run under emulation, where each import costs tenths
of a second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

IMAGE_FILE = Path("/etc/nightly/image.json")
ENGINE_PREFIX = Path("/opt/engine")

FIELDS = (
    "framework",
    "framework_version",
    "engine_kind",
    "engine_version",
    "cuda_version",
    "torch_backend",
    "platform",
    "base",
)
"""Fields of image.json, all of them text."""


class ImageError(Exception):
    """image.json is missing, unreadable or incomplete, or names something unknown."""


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


class Engine(NamedTuple):
    """A framework's engine: its distribution and its server.

    The server is a module to run (`module`) or a console script (`script`) with its subcommand, never both. Where
    `model_flag` is None, the model is a positional argument.
    """

    distribution: str
    module: str | None = None
    script: str | None = None
    subcommand: tuple[str, ...] = ()
    model_flag: str | None = "--model"


REAL_ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        "vllm": Engine("vllm", script="vllm", subcommand=("serve",), model_flag=None),
        "sglang": Engine("sglang", module="sglang.launch_server", model_flag="--model-path"),
        "trtllm": Engine("tensorrt-llm", script="trtllm-serve", model_flag=None),
    }
)
MOCK_DISTRIBUTION = "nightly-mock-engine"
MOCK_SCRIPT = "mock-engine"


def load(path: Path = IMAGE_FILE) -> dict[str, str]:
    """Return the fields of image.json. Raises ImageError."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise ImageError(message) from error
    missing = [name for name in FIELDS if not isinstance(facts, dict) or not isinstance(facts.get(name), str)]
    if missing:
        message = f"{path} has no text for {', '.join(missing)}"
        raise ImageError(message)
    return {name: facts[name] for name in FIELDS}


def engine_of(facts: Mapping[str, str]) -> Engine:
    """Return the engine installed in an image with these facts. Raises ImageError."""
    framework, kind = facts["framework"], facts["engine_kind"]
    if framework not in REAL_ENGINES or kind not in ("mock", "real"):
        message = f"unknown engine: framework {framework!r}, kind {kind!r}"
        raise ImageError(message)
    if kind == "real":
        return REAL_ENGINES[framework]
    return Engine(MOCK_DISTRIBUTION, script=MOCK_SCRIPT, subcommand=("--framework", framework))


def server_command(
    facts: Mapping[str, str], model: str, address: Address, extra: Sequence[str], prefix: Path = ENGINE_PREFIX
) -> list[str]:
    """Return the argv of the engine's own server. `extra` is passed on as it is. Raises ImageError."""
    engine = engine_of(facts)
    named = [model] if engine.model_flag is None else [engine.model_flag, model]
    listening = ["--host", address.host, "--port", str(address.port)]
    return [*_program(engine, prefix), *engine.subcommand, *named, *listening, *extra]


def _program(engine: Engine, prefix: Path) -> list[str]:
    if engine.module is not None:
        return [str(prefix / "bin" / "python3"), "-m", engine.module]
    return [str(prefix / "bin" / str(engine.script))]
