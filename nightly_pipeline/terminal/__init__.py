"""What the command line shows: tables, and a view of a night while it runs."""

from __future__ import annotations

from nightly_pipeline.terminal.doctor import doctor_table
from nightly_pipeline.terminal.live import LiveNight
from nightly_pipeline.terminal.plan import plan_table
from nightly_pipeline.terminal.report import report_tables
from nightly_pipeline.terminal.status import StatusRow, status_table

__all__ = ["LiveNight", "StatusRow", "doctor_table", "plan_table", "report_tables", "status_table"]
