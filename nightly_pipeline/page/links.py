"""What a page leads to: artifacts, runs, each named, linked where an address is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nightly_pipeline.model.links import Links, safe_address
from nightly_pipeline.model.report import Outcome


@dataclass(frozen=True)
class Linked:
    """A name, and where it leads; None when that is not known."""

    name: str
    address: str | None


def artifact_links(artifacts: Mapping[str, str], links: Links) -> tuple[Linked, ...]:
    """Artifacts (name -> key) by name."""
    return tuple(Linked(name, safe_address(links.artifact(key))) for name, key in sorted(artifacts.items()))


def outcome_links(outcome: Outcome, links: Links) -> tuple[Linked, ...]:
    """Everything an outcome left, and its run in the orchestrator's pages."""
    run = safe_address(links.run(outcome.run_id))
    return (*artifact_links(outcome.artifacts, links), *((Linked("run", run),) if run else ()))
