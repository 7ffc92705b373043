"""Ctrl-C and TERM on the command line are a person's wish to cancel the run, and Dagster is told so.

Without that Dagster takes the end of its executor for an accident and records a failure.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.events import EngineEventData

_STEPS = (
    "steps_interrupted"  # the metadata of the events with which Dagster's executor begins to end its steps
)


def interrupts_steps(event: dg.DagsterEvent | None) -> bool:
    """Whether with this event Dagster's executor heeds a signal and begins to end the steps at work.

    For a defect of its own it ends them too, and says of which.
    """
    said = event.event_specific_data if event else None
    return isinstance(said, EngineEventData) and _STEPS in said.metadata and said.error is None
