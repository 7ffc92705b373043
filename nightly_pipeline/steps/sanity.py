"""The check an image brings for itself: whether what is in it starts, and is what its labels say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nightly_pipeline.errors import SanityCheckFailed
from nightly_pipeline.model.plan import PlannedImage
from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.steps.ports import ContainerRunner, LineSink

SANITY_COMMAND = ("/opt/nightly/sanity.py",)
SANITY_DEADLINE_S = 120.0


def sanity_spec(
    planned: PlannedImage, *, image: str, run_id: str, docker_config: Path | None
) -> ContainerSpec:
    """The check as a container: the image's own script, with nothing passed in and nothing taken out."""
    return ContainerSpec(
        image=image,
        entrypoint=("python3",),
        command=SANITY_COMMAND,
        run_id=run_id,
        step="/".join(planned.key),
        platform=planned.platform,
        deadline_s=SANITY_DEADLINE_S,
        docker_host=planned.docker_host,
        docker_config=docker_config,
    )


def check_sanity(spec: ContainerSpec, containers: ContainerRunner, *, workspace: Path, log: LineSink) -> None:
    """Run the check; its output goes to the log.

    Raises:
        SanityCheckFailed: it does not start or end, or says that the image is not what its labels say.
    """
    said: list[str] = []

    def listen(line: str) -> None:
        said.append(line)
        log(line)

    log(f"sanity check of {spec.image}")
    how = _bad_end(containers.run(spec, workspace=workspace, log=listen))
    if how is not None:
        raise SanityCheckFailed(f"the sanity check of {spec.step} {how}: {_complaint(said)}")


def _bad_end(result: ContainerResult) -> str | None:
    """How a check ended that is not passed; None when it is. Exit code 0 after a deadline is no pass."""
    if result.timed_out:
        return "did not end in time"
    if result.out_of_memory:
        return "ran out of memory"
    if result.exit_code is None:
        return "was not seen to end"
    return None if result.exit_code == 0 else f"ended with exit code {result.exit_code}"


def _complaint(said: Sequence[str]) -> str:
    """What a check that ended badly found: its failed checks, else the last line it said."""
    failed = ""
    with suppress(ValueError, KeyError, TypeError):
        checks = json.loads("\n".join(said))["checks"]
        failed = "; ".join(f"{check['name']}: {check['detail']}" for check in checks if not check["ok"])
    return failed or (said[-1] if said else "it said nothing")
