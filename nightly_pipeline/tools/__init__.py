"""How it is done: one door to each thing outside (processes, git, buildx, registries, containers, stores, Slack)."""

from __future__ import annotations

from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

# With structlog installed (Dagster brings it) retries would be printed on standard output, where reports go.
set_on_retry_hooks([LoggingOnRetryHook])
