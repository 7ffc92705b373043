"""Which tests to run, where only some are asked for.

Their node ids are not given to pytest itself: it refuses the whole run when one of them is not there. It is given
the suite, as for a whole run, and so finds the same root, configuration and conftest.py; what was not asked for is
left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .texts import identity

WORKER_INPUT = "nightly_selection"  # what pytest-xdist hands to its workers, by this name


class Selection:
    """Runs the tests that are named, in that order, and no others. A name that fits no test stops none of them."""

    def __init__(self, node_ids: list[str]) -> None:
        self.places = {node_id: place for place, node_id in enumerate(dict.fromkeys(node_ids))}
        self._paths: set[str] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path, config: Any) -> Any:
        """Read only files that tests are named of: another that does not import is none of our business."""
        if self._paths is None:
            self._paths = self._leading_to_tests(config)
        path = collection_path.parent if collection_path.name == "__init__.py" else collection_path
        return None if remembered(path.as_posix()) in self._paths else True

    def _leading_to_tests(self, config: Any) -> set[str]:
        """The files with tests that are named, and all folders above them."""
        # Node ids begin at pytest's root, or at what it was given where that lies elsewhere.
        bases = [config.rootpath, *(config.invocation_params.dir / arg for arg in config.args)]
        files = {node_id.partition("::")[0] for node_id in self.places}
        paths = {base / file for base in bases for file in files}
        paths |= {folder for path in paths for folder in path.parents}
        return {remembered(path.as_posix()) for path in (*paths, *bases)}

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> Any:
        """Leave the others out before anybody else looks; markers and the suite's own conftest.py come after that."""
        places = [(self.places.get(remembered(item.nodeid)), item) for item in items]
        others = [item for place, item in places if place is None]
        if others:
            config.hook.pytest_deselected(items=others)
        chosen = [(place, item) for place, item in places if place is not None]
        items[:] = [item for _, item in sorted(chosen, key=lambda found: found[0])]
        yield

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Worker processes collect for themselves."""
        node.workerinput[WORKER_INPUT] = list(self.places)


def read(path: str) -> Selection:
    """The tests that a file names, as a JSON list of node ids.

    Raises:
        pytest.UsageError: they cannot be read. To run everything instead would pass for what was asked for.
    """
    try:
        node_ids = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"nightly_evidence cannot read {path}: {error}") from error
    if not isinstance(node_ids, list) or not all(isinstance(one, str) for one in node_ids):
        raise pytest.UsageError(f"nightly_evidence cannot read {path}: it is no list of node ids")
    return Selection(node_ids)


def remembered(node_id: str) -> str:
    """A node id as whoever reads the evidence knows it: of bounded length, and of characters that can be stored."""
    return identity(node_id).encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")
