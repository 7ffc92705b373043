"""What the team's message says beside the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Background:
    """What a message says beside the report.

    Attributes:
        usual_s: how long such a night takes as a rule; None is not known, and nothing is said.
        mentions: owner -> Slack id of the user or group.
        remarks: sentences in small print: that it comes late, for example.
    """

    usual_s: float | None = None
    mentions: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


NO_BACKGROUND = Background()
