"""Whether a night can publish: each registry answers, takes the login, and lets it read and push.

Asked as far as it can be without leaving anything behind: a tag is read that need not exist, and an upload is started
and cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from nightly_pipeline.errors import (
    RegistryAbsent,
    RegistryError,
    RegistryForbidden,
    RegistryLoginExpired,
    RegistryUnavailable,
)
from nightly_pipeline.model.host import HostNeeds, RegistryNeed
from nightly_pipeline.steps.doctor import Check, Finding, Readiness
from nightly_pipeline.steps.host_probe import HostProbe, RegistryProbe

ACCESS_S = 20.0
"""Seconds one registry may take, its cloud's token service included."""

_ANSWERS = frozenset({200, 401})  # 401: it is a registry, and it asks for a login
_LOOPBACK = frozenset({"localhost", "127.0.0.1"})
_ON_THE_WAY = "Check its host in the profile, and the network and the proxy on the way to it; then ask again."
_READING = {
    "oci": "Let this login read the repository.",
    "ecr": "Give this role ecr:BatchGetImage and ecr:GetDownloadUrlForLayer: docs/registries.md has its policy.",
    "acr": "Give this identity the role AcrPull or AcrPush, this token content/read: docs/registries.md.",
}
_PUSHING = {
    "oci": "Let this login push to the repository.",
    "ecr": "Give this role ecr:InitiateLayerUpload and what else its policy in docs/registries.md names.",
    "acr": "Give this identity the role AcrPush, this token content/write: docs/registries.md.",
}


def registry_checks(needs: HostNeeds, probe: HostProbe) -> list[Check]:
    """That every registry answers."""
    return [Check(_name(need), partial(_answer, probe, need)) for need in needs.registries]


def access_checks(needs: HostNeeds, probe: HostProbe, registries: Mapping[str, RegistryProbe]) -> list[Check]:
    """That every registry answers, takes the login, and lets it read and push what a night writes.

    Args:
        needs: names the registries.
        probe: sees whether one answers.
        registries: ask each of them, by its role.
    """
    visits = [_Visit(need, probe, registries[need.role]) for need in needs.registries]
    return [Check(_name(visit.need), visit.look, deadline_s=ACCESS_S, late=visit.is_late) for visit in visits]


def _name(need: RegistryNeed) -> str:
    return f"Registry {need.role}"


def _answer(probe: HostProbe, need: RegistryNeed) -> Finding:
    try:
        status = probe.registry_status(need.host, insecure=need.insecure)
    except RegistryUnavailable as error:
        is_here = need.host.partition(":")[0] in _LOOPBACK
        remedy = "Run `make setup`." if is_here else _ON_THE_WAY
        return Finding(_name(need), Readiness.MISSING, error.message, remedy)
    if status not in _ANSWERS:
        detail = f"{need.host} answers {status}"
        return Finding(_name(need), Readiness.MISSING, detail, "Check the host in the profile.")
    asks = ", and asks for a login" if status != 200 else ""  # noqa: PLR2004 - HTTP
    return Finding(_name(need), Readiness.OK, f"{need.host} answers{asks}")


@dataclass(frozen=True)
class _Part:
    """What was found of one repository."""

    repository: str
    status: Readiness
    detail: str = ""
    remedy: str = ""


class _Visit:
    """One registry, asked from the door to the storeroom: where one question fails, the next makes no sense."""

    def __init__(self, need: RegistryNeed, host: HostProbe, registry: RegistryProbe) -> None:
        self.need = need
        self._host = host
        self._registry = registry
        self._doing = "connecting to it"

    def look(self) -> Finding:
        """What is found, in one line."""
        answer = _answer(self._host, self.need)
        if answer.status is not Readiness.OK:
            return answer
        try:
            login = self._log_in()
        except RegistryError as error:
            detail, remedy = f"{answer.detail}; {error.message}", self._remedy(error, error.next_step)
            return Finding(_name(self.need), Readiness.MISSING, detail, remedy)
        parts = [self._repository(name) for name in self.need.repositories]
        return self._together(f"{self.need.host} {login}", parts)

    def is_late(self) -> Finding:
        """What is said when there is no answer in time."""
        detail = f"{self.need.host}: no answer within {ACCESS_S:g} s while {self._doing}"
        return Finding(_name(self.need), Readiness.MISSING, detail, _ON_THE_WAY)

    def _log_in(self) -> str:
        self._doing = "getting a login"
        has_login = self._registry.log_in()
        self._doing = "logging in"
        try:
            asked = self._registry.accepted()
        except RegistryForbidden as error:
            if has_login:
                raise
            raise RegistryForbidden(
                f"the profile has none for it: {error.message}", next_step=self._how_to_log_in()
            ) from error
        if has_login:
            return "takes the login" if asked else "answers, and did not ask for the login"
        return "answers without a login"

    def _how_to_log_in(self) -> str:
        where = f"registries.{self.need.role}"
        return f"Set `{where}.username` and its password, or `{where}.kind` for a cloud: docs/registries.md."

    def _repository(self, name: str) -> _Part:
        try:
            return self._missing(name) or self._read(name) or self._push(name)
        except RegistryAbsent:
            return self._absent(name)
        except RegistryError as error:
            return _Part(name, Readiness.MISSING, error.message, self._remedy(error, error.next_step))

    def _missing(self, name: str) -> _Part | None:
        self._doing = f"looking for the repository {name}"
        found = self._registry.has_repository(name)
        if found is None and self.need.creates and self.need.kind == "ecr":
            detail = f"whether {name} is there may not be seen, which `create` needs"
            remedy = "Give this role ecr:DescribeRepositories, or take `create` out of the profile."
            return _Part(name, Readiness.MISSING, detail, remedy)
        return self._absent(name) if found is False else None

    def _absent(self, name: str) -> _Part:
        if self.need.creates:
            detail = f"{name} is not there yet: the first push makes it, which cannot be tried beforehand"
            remedy = f"Make sure that this login may make it, or make {name} now."
            return _Part(name, Readiness.WARNING, detail, remedy)
        ecr = f", or let the profile do it: `create` in registries.{self.need.role}"
        remedy = f"Create the repository{ecr if self.need.kind == 'ecr' else ''}."
        return _Part(name, Readiness.MISSING, f"there is no repository {name}", remedy)

    def _read(self, name: str) -> _Part | None:
        self._doing = f"reading {name}"
        try:
            self._registry.read(name)
        except RegistryForbidden as error:
            remedy = self._remedy(error, _READING[self.need.kind])
            return _Part(name, Readiness.MISSING, error.message, remedy)
        return None

    def _push(self, name: str) -> _Part:
        self._doing = f"starting an upload to {name}"
        try:
            left = self._registry.try_upload(name)
        except RegistryForbidden as error:
            remedy = self._remedy(error, _PUSHING[self.need.kind])
            return _Part(name, Readiness.MISSING, error.message, remedy)
        return _Part(name, Readiness.OK, left)

    def _remedy(self, error: RegistryError, otherwise: str) -> str:
        """The defaults of these errors are written for a night that has failed, not for one to come."""
        if isinstance(error, RegistryLoginExpired):
            return error.next_step
        if otherwise == RegistryUnavailable.default_next_step:
            return _ON_THE_WAY
        if otherwise == RegistryError.default_next_step:
            return f"Check `registries.{self.need.role}` in the profile: docs/registries.md."
        return otherwise

    def _together(self, greeting: str, parts: Iterable[_Part]) -> Finding:
        good = [part for part in parts if part.status is Readiness.OK]
        others = [part for part in parts if part.status is not Readiness.OK]
        details = [greeting, *_pushed(good), *(part.detail for part in others)]
        remedy = " ".join(dict.fromkeys(part.remedy for part in others))
        return Finding(_name(self.need), _worst(others), "; ".join(details), remedy)


def _worst(parts: Iterable[_Part]) -> Readiness:
    statuses = {part.status for part in parts}
    return next((one for one in (Readiness.MISSING, Readiness.WARNING) if one in statuses), Readiness.OK)


def _pushed(parts: Iterable[_Part]) -> list[str]:
    """Repositories in which an upload could be started, with what became of it where that is worth saying."""
    left: dict[str, list[str]] = {}
    for part in parts:
        left.setdefault(part.detail, []).append(part.repository)
    return [
        f"{', '.join(names)} can be read and pushed to"
        + (f" (the upload that tried it: {why})" if why else "")
        for why, names in left.items()
    ]
