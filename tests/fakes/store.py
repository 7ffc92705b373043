"""An artifact store in memory, which can be told to be full."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.tools.artifacts import checked_key


@dataclass
class MemoryStore:
    """Keys are checked as the real stores check them.

    Attributes:
        kept: key -> content.
        refusals: end of a key -> the error that writing such a key raises.
    """

    kept: dict[str, bytes] = field(default_factory=dict)
    refusals: dict[str, NightlyError] = field(default_factory=dict)

    def write(self, key: str, content: bytes) -> None:
        for end, error in self.refusals.items():
            if key.endswith(end):
                raise error
        self.kept[checked_key(key)] = content

    def write_once(self, key: str, content: bytes) -> bool:
        if checked_key(key) in self.kept:
            return False
        self.write(key, content)
        return True

    def write_file(self, key: str, path: Path) -> None:
        self.write(key, path.read_bytes())

    def read(self, key: str) -> bytes | None:
        return self.kept.get(checked_key(key))

    def read_file(self, key: str, path: Path) -> bool:
        content = self.read(key)
        if content is not None:
            path.write_bytes(content)
        return content is not None

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.kept if _is_below(key, prefix))

    def delete(self, prefix: str) -> int:
        gone = self.keys(prefix)
        for key in gone:
            del self.kept[key]
        return len(gone)

    def dates(self) -> list[date]:
        return sorted({night for key in self.kept if (night := _night(key.split("/")[0])) is not None})

    def location(self, key: str) -> str:
        return f"memory:{key}"

    def text(self, key: str) -> str:
        """The content as text; a KeyError says that it is not there."""
        return self.kept[key].decode()


def _night(folder: str) -> date | None:
    try:
        return date.fromisoformat(folder)
    except ValueError:
        return None


def _is_below(key: str, prefix: str) -> bool:
    return not prefix or key == prefix or key.startswith(f"{prefix}/")
