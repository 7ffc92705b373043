"""Is this machine ready for a night? Everything for a person to see, and the few things no run can do without."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.model.plan import Plan
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.doctor import Check, Finding, Readiness, doctor
from nightly_pipeline.steps.doctor_checks import checks_for, daemon_checks
from nightly_pipeline.steps.doctor_needs import needs_of
from nightly_pipeline.steps.doctor_registries import registry_checks
from nightly_pipeline.stores import open_artifacts, open_history
from nightly_pipeline.tools.base_images import login_for
from nightly_pipeline.tools.host import LocalHostProbe
from nightly_pipeline.tools.registry_probe import registry_probes

_NAMED = 3


def examine(settings: Settings) -> list[Finding]:
    """Everything a night of this profile needs, each with what was seen and how to mend it."""
    needs = needs_of(settings, make_plan(settings))
    probe = LocalHostProbe(login_for=partial(login_for, settings))
    checks = checks_for(needs, probe, registry_probes(settings))
    return doctor([*checks, *storage_checks(settings)])


def essentials(settings: Settings, plan: Plan) -> None:
    """Look at what this plan cannot do without: the runners' daemons, and the registry builds push to.

    Anything else that is missing fails its own cell only.

    Raises:
        EnvironmentNotReady: something is missing; the message names everything that is.
    """
    needs, probe = needs_of(settings, plan), LocalHostProbe()
    primary = tuple(registry for registry in needs.registries if registry.role == settings.primary)
    checks = [*daemon_checks(needs, probe), *registry_checks(replace(needs, registries=primary), probe)]
    missing = [finding for finding in doctor(checks) if finding.status is Readiness.MISSING]
    if missing:
        raise EnvironmentNotReady(
            "; ".join(f"{finding.name}: {finding.detail}" for finding in missing),
            next_step=missing[0].remedy or None,
        )


def storage_checks(settings: Settings) -> list[Check]:
    """The bucket where the profile has one, and the history. A damaged history stops no night, but is told."""
    checks = [Check("history", lambda: _history(settings))]
    if settings.artifacts.kind == "s3":
        checks.insert(0, Check("artifacts", lambda: _artifacts(settings)))
    return checks


def _artifacts(settings: Settings) -> Finding:
    store = open_artifacts(settings)
    return Finding("artifacts", Readiness.OK, f"{len(store.dates())} nights in {store!r}")


def _history(settings: Settings) -> Finding:
    history = open_history(settings)
    problems = history.problems()
    if not problems:
        return Finding(
            "history", Readiness.OK, f"{len({night.date for night in history.nights()})} nights on record"
        )
    named = "; ".join(str(problem) for problem in problems[:_NAMED])
    more = f"; {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return Finding(
        "history",
        Readiness.WARNING,
        f"{len(problems)} files are left out: {named}{more}",
        "See `nightly history --check`; restore them from the backup, or `nightly history --rebuild`.",
    )
