"""A look at this image from inside, quick enough to be taken before its tags move, on any architecture.

Prints one JSON document, `{"ok", "image", "checks": [{"name", "ok", "detail"}]}`, and exits 0 when all is
well, else 1.
It imports nothing of the engine: under emulation that would take minutes, so it goes by what is installed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import nightly_image
from nightly_image import ENGINE_PREFIX, ImageError

USER = 10001
MACHINES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}

Facts = Mapping[str, str]


class CheckError(Exception):
    """What a check found wrong."""


def main() -> int:
    """Run every check, also after one has failed."""
    try:
        facts = nightly_image.load()
    except ImageError as error:
        return report({}, [{"name": "image_file", "ok": False, "detail": str(error)}])
    return report(facts, [run_check(check, facts) for check in CHECKS])


def report(facts: Facts, checks: list[dict[str, object]]) -> int:
    """Print the document and return the exit code."""
    good = bool(checks) and all(check["ok"] for check in checks)
    sys.stdout.write(json.dumps({"ok": good, "image": dict(facts), "checks": checks}, indent=2) + "\n")
    return 0 if good else 1


def run_check(check: Callable[[Facts], str], facts: Facts) -> dict[str, object]:
    """Return the row of one check; whatever it raises is its failure."""
    name = check.__name__.removeprefix("check_")
    try:
        return {"name": name, "ok": True, "detail": check(facts)}
    except Exception as error:  # noqa: BLE001 - a check that breaks is a check that failed, and the others still run
        return {"name": name, "ok": False, "detail": f"{type(error).__name__}: {error}"}


def check_platform(facts: Facts) -> str:
    """The image's platform is the one it runs on."""
    machine = platform.machine()
    expect(MACHINES.get(machine) == facts["platform"], f"says {facts['platform']}, runs on {machine}")
    return machine


def check_python(_facts: Facts) -> str:
    """The engine was installed for the Python that runs here: compiled wheels fit one minor version only."""
    installed = python_of_the_engine(ENGINE_PREFIX)
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    expect(installed == running, f"the engine was installed for Python {installed}, this is {running}")
    expect(Path(sys.prefix) == ENGINE_PREFIX, f"python3 is that of {sys.prefix}, not of {ENGINE_PREFIX}")
    return sys.version.split()[0]


def check_engine(facts: Facts) -> str:
    """The engine's distribution is installed in the version that image.json says."""
    from importlib.metadata import version  # noqa: PLC0415 - an expensive import that no other check needs

    name = nightly_image.engine_of(facts).distribution
    installed = version(name)
    expect(
        installed == facts["engine_version"],
        f"{name} is {installed}, image.json says {facts['engine_version']}",
    )
    return f"{name} {installed}"


def check_server_command(facts: Facts) -> str:
    """The command that serves exists: its script, or the source of its module."""
    engine = nightly_image.engine_of(facts)
    path = server_file(engine, ENGINE_PREFIX)
    expect(path.is_file(), f"{path} is missing")
    expect(engine.script is None or os.access(path, os.X_OK), f"{path} is not executable")
    return str(path)


def check_user(_facts: Facts) -> str:
    """Nothing runs as root, and the user can write where it works."""
    expect(os.getuid() == USER, f"runs as uid {os.getuid()}, expected {USER}")
    expect(os.access(Path.cwd(), os.W_OK), f"{Path.cwd()} is not writable")
    expect(not os.access(ENGINE_PREFIX, os.W_OK), f"{ENGINE_PREFIX} is writable")
    return f"uid {os.getuid()} in {Path.cwd()}"


def check_suite(_facts: Facts) -> str:
    """The test suite and its runner are there."""
    tests = sorted(Path("/opt/suite").rglob("test_*.py"))
    expect(bool(tests), "/opt/suite holds no tests")
    expect(Path("/opt/suite-packages/pytest/__init__.py").is_file(), "pytest is not installed")
    return f"{len(tests)} test files"


CHECKS = (check_platform, check_python, check_engine, check_server_command, check_user, check_suite)


def expect(condition: bool, problem: str) -> None:  # noqa: FBT001 - reads like assert, which -O would remove
    """Raise CheckError with `problem` unless `condition` holds."""
    if not condition:
        raise CheckError(problem)


def python_of_the_engine(prefix: Path) -> str:
    """Return the `major.minor` that the environment at `prefix` was made for. Raises CheckError, OSError."""
    for line in (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() in ("version_info", "version"):
            return ".".join(value.strip().split(".")[:2])
    message = f"{prefix}/pyvenv.cfg names no version"
    raise CheckError(message)


def server_file(engine: nightly_image.Engine, prefix: Path) -> Path:
    """Return the file of the server's program, by its path: looking up a module would import its parents."""
    if engine.module is None:
        return prefix / "bin" / str(engine.script)
    packages = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    return prefix / packages / (engine.module.replace(".", "/") + ".py")


if __name__ == "__main__":
    sys.exit(main())
