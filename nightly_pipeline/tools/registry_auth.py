"""Who we are to a registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """A login. ECR: user AWS with a token; ACR: the null user with a refresh token."""

    username: str
    password: str = field(repr=False)


CredentialProvider = Callable[[], Credentials | None]
"""Gives a login that is valid now (asked again when the registry refuses the last one); None is anonymous."""
