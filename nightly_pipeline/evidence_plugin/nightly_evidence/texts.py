"""Texts that come from tests, made short enough to be written down."""

from __future__ import annotations

from hashlib import sha256

NODE_ID_LIMIT = 2000


def identity(node_id: str) -> str:
    """A node id of bounded length; two long ones that differ stay different."""
    if len(node_id) <= NODE_ID_LIMIT:
        return node_id
    digest = sha256(node_id.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return f"{node_id[:NODE_ID_LIMIT]}...{digest}"


def bounded(text: str, limit: int) -> tuple[str, int | None]:
    """The head and the tail of a text, and how many bytes were cut in between (None when it is whole)."""
    if len(text) <= limit:
        return text, None
    head = limit // 4
    tail = limit - head
    cut = len(text[head:-tail].encode("utf-8", "surrogatepass"))
    return f"{text[:head]}\n[... {cut} bytes cut ...]\n{text[-tail:]}", cut


def one_line(text: str, limit: int = 500) -> str:
    """The first line that says something, its white space made single spaces."""
    first = next((line for line in text[:10_000].splitlines() if line.strip()), "")
    return " ".join(first.split())[:limit]
