"""What a test run is run with: plugins, GPUs, and what the image says of itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

IMAGE_FACTS = Path("/etc/nightly/image.json")
DEVICES, DRIVER = Path("/dev"), Path("/proc/driver/nvidia/gpus")


def plugins(config: Any) -> dict[str, str]:
    """Distributions that bring plugins of pytest, with their versions."""
    installed = config.pluginmanager.list_plugin_distinfo()
    return {str(distribution.project_name): str(distribution.version) for _, distribution in installed}


def gpus() -> list[dict[str, str]]:
    """The NVIDIA devices this process can see and what the driver says of them; no program that may hang."""
    told = {}
    for path in DRIVER.glob("*/information"):
        facts = dict(re.findall(r"^([^:\n]+):[ \t]*(.*?)[ \t]*$", _read(path), re.MULTILINE))
        told[facts.get("Device Minor", "")] = facts
    gpus = []
    for device in sorted(DEVICES.glob("nvidia[0-9]*")):
        facts = told.get(device.name[len("nvidia") :], {})
        gpus.append(
            {"device": str(device), "name": facts.get("Model", ""), "uuid": facts.get("GPU UUID", "")}
        )
    return gpus


def image_facts() -> Any:
    """What the image says of itself, its engine above all: real or mock."""
    try:
        facts = json.loads(_read(IMAGE_FACTS) or "null")
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(64 * 1024)
    except OSError:
        return ""
