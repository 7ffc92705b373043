"""What the team is told, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nightly_pipeline.model.links import NO_LINKS
from nightly_pipeline.model.outcomes import StageStatus
from nightly_pipeline.steps.announce import announce
from tests import factories


@dataclass
class Notes:
    """Keeps what was posted."""

    posted: list[tuple[str, str | None, str]] = field(default_factory=list)

    def post(
        self, *, text: str, blocks: list[dict[str, Any]], key: str, thread_of: str | None = None
    ) -> str | None:
        self.posted.append((key, thread_of, text))
        return f"https://slack.example/{key}"


def test_a_green_night_is_one_message() -> None:
    notes, report = Notes(), factories.whole_night()
    assert announce(report, NO_LINKS, notes) == f"https://slack.example/night-{report.date}"
    assert [(key, thread) for key, thread, _ in notes.posted] == [(f"night-{report.date}", None)]


def test_each_troubled_cell_has_its_details_in_the_thread() -> None:
    stages = (
        factories.stage(framework="vllm", stage="unit", status=StageStatus.FAILED),
        factories.stage(framework="vllm", stage="integration", status=StageStatus.CRASHED),
        factories.stage(framework="sglang", stage="unit", status=StageStatus.TIMED_OUT),
    )
    notes, report = Notes(), factories.night(stages=stages)
    announce(report, NO_LINKS, notes)
    night = f"night-{report.date}"
    assert [(key, thread) for key, thread, _ in notes.posted] == [
        (night, None),
        (f"{night}-1", night),
        (f"{night}-2", night),
    ]
