"""A registry that is asked whether a night can publish in it, behind `steps.host_probe.RegistryProbe`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeRegistryProbe:
    """Lets everything be done, until a test says otherwise.

    Attributes:
        has_login: whether the profile names one.
        asks: whether the registry asks for it.
        repositories: repository -> whether it is there; None is not known.
        left: why uploads are not cancelled.
        failures: verb -> the error it raises; `read nightly` is that of one repository.
        asked: what was asked, in order.
    """

    has_login: bool = False
    asks: bool = False
    repositories: dict[str, bool | None] = field(default_factory=dict)
    left: str = ""
    failures: dict[str, BaseException] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def log_in(self) -> bool:
        self._called("log_in")
        return self.has_login

    def accepted(self) -> bool:
        self._called("accepted")
        return self.asks

    def has_repository(self, repository: str) -> bool | None:
        self._called("has_repository", repository)
        return self.repositories.get(repository)

    def read(self, repository: str) -> None:
        self._called("read", repository)

    def try_upload(self, repository: str) -> str:
        self._called("try_upload", repository)
        return self.left

    def _called(self, verb: str, repository: str = "") -> None:
        call = f"{verb} {repository}".rstrip()
        self.asked.append(call)
        error = self.failures.get(call) or self.failures.get(verb)
        if error is not None:
            raise error
