"""The sections of a profile on what a night means: owners, quarantine, baselines, confirming reruns."""

from __future__ import annotations

from pydantic import Field

from nightly_pipeline.model.baseline import Thresholds
from nightly_pipeline.model.catalog import Strict
from nightly_pipeline.model.confirmation import Limits


class OwnersSettings(Strict):
    """Who is asked about which test.

    Attributes:
        file: in the repository under test, in the format of CODEOWNERS; None looks where GitHub and GitLab do.
        suite: the folder of the tests in that repository: node ids start below it.
    """

    file: str | None = Field(default=None, min_length=1)
    suite: str = Field(default="docker/suite", min_length=1)


class QuarantineSettings(Strict):
    """Tests that are known to be bad.

    Attributes:
        file: a path, relative to the project; that there is none is no error.
        leave_after_nights: so many good nights in a row, and a test counts like any other again.
    """

    file: str = Field(default="quarantine.yaml", min_length=1)
    leave_after_nights: int = Field(default=14, gt=0)


class BaselineSettings(Thresholds):
    """When a duration or a size has left its usual range; see `model.baseline.Thresholds`."""


class ConfirmationSettings(Limits):
    """How far new failures are run again; see `model.confirmation.Limits`."""
