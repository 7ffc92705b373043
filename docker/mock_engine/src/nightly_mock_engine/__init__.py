"""A stand-in for an OpenAI-compatible inference server. It loads no model and says so everywhere."""

from __future__ import annotations

__version__ = "0.1.0"

NAME = "nightly-mock-engine"
