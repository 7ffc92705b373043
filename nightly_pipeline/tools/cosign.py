"""Signatures on images, by the `cosign` program: made with one key, kept as `sha256-*.sig` beside the image."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from nightly_pipeline.errors import EnvironmentNotReady, ProcessError
from nightly_pipeline.model.masking import mask
from nightly_pipeline.settings import Settings
from nightly_pipeline.settings_sections import SigningSettings
from nightly_pipeline.tools import process

_DEADLINE_S = 120.0
_QUESTION_S = 60.0


class Logins(Protocol):
    """Registry logins for a command that talks to registries by itself."""

    def docker_config(self) -> AbstractContextManager[Path | None]:
        """A DOCKER_CONFIG with fresh logins, removed afterwards; None needs none."""
        ...


class CosignSigner:
    """Implements `steps.ports.Signer`.

    cosign reads the key's password from COSIGN_PASSWORD by itself, so it is in no argument and no file. Signing
    again what is signed already changes nothing.

    Args:
        signing: the key, and whether signatures go to the public log.
        root: what a relative path of a key starts from.
        logins: of the registries, for this step alone.
        insecure: hosts that speak plain HTTP.
    """

    def __init__(
        self, signing: SigningSettings, *, root: Path, logins: Logins, insecure: Collection[str] = ()
    ) -> None:
        self._signing = signing
        self._key = str(root / (signing.key or "")) if signing.is_file else signing.key or ""
        self._logins = logins
        self._insecure = frozenset(insecure)
        self._options: tuple[str, ...] | None = None

    @classmethod
    def of(cls, settings: Settings, logins: Logins) -> CosignSigner | None:
        """The signer of a profile; None when it has no key."""
        if settings.signing.key is None:
            return None
        insecure = [registry.host for registry in settings.registries.values() if registry.insecure]
        return cls(settings.signing, root=settings.root, logins=logins, insecure=insecure)

    def sign(self, reference: str) -> None:
        """Sign `host/repository@digest` in its registry.

        Raises:
            EnvironmentNotReady: cosign is not installed.
            ProcessError: it refused; with what it said.
        """
        self._require_cosign()
        password = self._signing.password
        with self._logins.docker_config() as folder:
            completed = process.run(
                self._command(reference),
                deadline_s=_DEADLINE_S,
                env={"DOCKER_CONFIG": str(folder)} if folder else {},
                check=False,
            )
        if completed.exit_code != 0:
            raise _refused(reference, completed, secrets=[password.get_secret_value()] if password else [])

    def _command(self, reference: str) -> tuple[str, ...]:
        host = reference.partition("/")[0]
        return (
            *("cosign", "sign", "--yes", f"--key={self._key}"),
            *self._format(),
            *(["--allow-http-registry"] if host in self._insecure else []),
            reference,
        )

    def _format(self) -> tuple[str, ...]:
        """What makes every version write the one form that every registry keeps: version 3 would need referrers."""
        if self._options is None:
            known = process.run(("cosign", "sign", "--help"), deadline_s=_QUESTION_S).stdout
            newer = ("--use-signing-config", "--new-bundle-format")
            self._options = (
                f"--tlog-upload={'true' if self._signing.transparency_log else 'false'}",
                *(f"{option}=false" for option in newer if option in known),
            )
        return self._options

    @staticmethod
    def _require_cosign() -> None:
        if shutil.which("cosign") is None:
            raise EnvironmentNotReady(
                "the profile names a key to sign with, but `cosign` is not installed, or not on the PATH",
                next_step="Install cosign where images are published, or take `signing.key` out of the profile.",
            )


def _refused(reference: str, completed: process.Completed, *, secrets: Iterable[str]) -> ProcessError:
    """What cosign said: it says what is wrong in its first line of errors, and the same once more in its last."""
    said = mask(completed.stderr, secrets)
    reasons = [line for line in said.splitlines() if line.startswith("Error: ")] or said.splitlines()[-1:]
    reason = reasons[0].removeprefix("Error: ") if reasons else f"cosign ended with {completed.exit_code}"
    return ProcessError(
        f"{reference} could not be signed: {reason.removeprefix(f'signing [{reference}]: ')}",
        argv=completed.argv,
        exit_code_of_process=completed.exit_code,
        stderr_tail=said,
        next_step="Check `signing.key` and COSIGN_PASSWORD (`nightly doctor`), then `nightly publish --date DATE`.",
    )
