"""What the server imports that a run's step processes are forked from: once a run, and not once a step.

Dagster's storage of records and the program that started the run are imported by every step that does not find them
there: two thirds of the work of starting one. Modules only, and no instance: forks must not share a connection.
"""

from __future__ import annotations

import importlib

from nightly_pipeline.definitions import defs

_NEEDED_BY_EVERY_STEP = (
    "dagster._core.instance.factory",
    "dagster._core.launcher.default_run_launcher",
    "dagster._core.secrets.env_file",
    "dagster._core.storage.defs_state.blob_storage_state_storage",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.migration.utils",
    "dagster._core.storage.root",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.workspace.autodiscovery",
    "httpcore",  # httpx imports it with the first client
    "nightly_pipeline.cli",  # a step imports what started its run, and that may be the command
    "upath.implementations.local",
)

for _module in _NEEDED_BY_EVERY_STEP:
    importlib.import_module(_module)

# A repository makes its jobs of its definitions when it is first asked for them.
defs.get_repository_def().get_all_jobs()
