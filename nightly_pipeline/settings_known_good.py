"""The sections of a profile on what becomes of images after their night: promotion and retention."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nightly_pipeline.model.catalog import Strict


class PromotionSettings(Strict):
    """When a night's images become `known-good`.

    Attributes:
        automatic: promote after every night by itself; without it only `nightly promote` does.
        required_stages: test stages that have to be good on every architecture; None is every stage of the table.
        allow_mock: images with the mock engine may be promoted: for profiles that serve nobody.
    """

    automatic: bool = True
    required_stages: tuple[str, ...] | None = Field(default=None, min_length=1)
    allow_mock: bool = False


class RetentionSettings(Strict):
    """How long images stay in the registries.

    An image goes when it is older than `days`, or when its framework has `nights` newer nights.

    Attributes:
        days: counted from the night's date; None is no limit.
        nights: nights of a framework that stay; None is no limit.
        promotions: how many promotions of a framework stay whole, to roll back to.
        cache_days: a layer cache goes when its newest layer is older than this; None keeps all.
        every: how often the scheduled job looks: every day, or every week, at 05:00 UTC.
        delete: the scheduled job deletes; without it, it only says what would go.
    """

    days: int | None = Field(default=30, gt=0)
    nights: int | None = Field(default=None, gt=0)
    promotions: int = Field(default=5, gt=0)
    cache_days: int | None = Field(default=30, gt=0)
    every: Literal["day", "week"] = "week"
    delete: bool = False
