"""A nightly build-and-test pipeline for LLM-inference container images, written as Dagster assets."""

from __future__ import annotations

__version__ = "0.1.0"
