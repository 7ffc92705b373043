"""What becomes of images after their night, wired to a profile: promotion, the list of images, retention."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Sequence

import dagster as dg

from nightly_pipeline.assets.output import print_line
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.plan import SUMMARY_KEY
from nightly_pipeline.model.promotion import PromotionRule
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.retention import Lifetime
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.planning import registries_for
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.ports import ArtifactStore, Registry
from nightly_pipeline.steps.promote import PromoteTools
from nightly_pipeline.steps.promote_night import FrameworkPromotion, promote_night, promotions_text
from nightly_pipeline.steps.promotion_records import PromotionRecords
from nightly_pipeline.steps.retention import RetentionRule, RetentionTools
from nightly_pipeline.tools.cosign import CosignSigner
from nightly_pipeline.tools.logins import RegistryLogins, open_registries
from nightly_pipeline.tools.registry import OciRegistry

KNOWN_GOOD_CHECK = dg.AssetCheckSpec(
    name="known_good_is_current",
    asset=list(SUMMARY_KEY),
    description="What this night's rule promotes is promoted, in every registry. A framework that is not good keeps "
    "its known-good images: that is the rule at work, and no failure of it.",
)


def image_registries(settings: Settings) -> dict[str, Registry]:
    """Every registry that has runtime images, the primary one first."""
    opened = open_registries(settings)
    return {role: opened[role] for role in registries_for(settings, "runtime")}


def promote_tools(settings: Settings, store: ArtifactStore) -> PromoteTools:
    """What a promotion works with."""
    signer = CosignSigner.of(settings, RegistryLogins.of(settings))
    return PromoteTools(image_registries(settings), settings.primary, PromotionRecords(store), signer)


def promotion_rule(settings: Settings) -> PromotionRule:
    """What a night must have, as the profile says."""
    required = settings.promotion.required_stages
    return PromotionRule(
        architectures=tuple(settings.table.architectures),
        stages=tuple(settings.table.stages) if required is None else required,
        registries=registries_for(settings, "runtime"),
        allow_mock=settings.promotion.allow_mock,
    )


def retention_tools(settings: Settings, store: ArtifactStore) -> RetentionTools:
    """What retention works with: every repository of images and of caches."""
    return RetentionTools(
        images=list(open_registries(settings).values()),
        caches=list(_caches(settings)),
        records=PromotionRecords(store),
        frameworks=list(settings.table.frameworks),
        architectures=list(settings.table.architectures),
    )


def retention_rule(settings: Settings) -> RetentionRule:
    """How long things stay, as the profile says."""
    retention = settings.retention
    return RetentionRule(
        lifetime=Lifetime(days=retention.days, nights=retention.nights),
        promotions=retention.promotions,
        cache_days=retention.cache_days,
    )


def this_person() -> str:
    """Who is at the keyboard, for the record: `user@host`."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def promote_after(
    report: Report, settings: Settings, store: ArtifactStore, *, run_id: str
) -> list[FrameworkPromotion]:
    """Promote what is good of a night by itself; nothing where the profile leaves it to people.

    What goes wrong is told, not raised: the night's verdict is told either way.
    """
    if not settings.promotion.automatic:
        return []
    who = f"run {short_run_id(run_id)}"
    try:
        tools = promote_tools(settings, store)
    except NightlyError as error:
        return [FrameworkPromotion("every framework", "failed", str(error))]
    return promote_night(report, promotion_rule(settings), tools, who=who, log=print_line)


def known_good_result(promotions: Sequence[FrameworkPromotion] | None) -> dg.AssetCheckResult:
    """The check that goes with the night's summary. None: nothing was looked at."""
    failed = [one for one in promotions or () if one.state == "failed"]
    text = promotions_text(promotions or ()) or "nothing is promoted by itself (promotion.automatic)"
    return dg.AssetCheckResult(
        check_name=KNOWN_GOOD_CHECK.name,
        passed=promotions is not None and not failed,
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description=text if promotions is not None else "looked at by the summary's own run",
        metadata={one.framework: one.state.replace("_", " ") for one in promotions or ()},
    )


def _caches(settings: Settings) -> Sequence[OciRegistry]:
    """The repositories of caches, opened like those of images."""
    rows = {
        role: registry.model_copy(update={"repository": registry.cache_repository})
        for role, registry in settings.registries.items()
        if registry.cache_repository is not None
    }
    return list(open_registries(settings.model_copy(update={"registries": rows})).values())
