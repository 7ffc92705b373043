"""Everything that can go wrong, as one tree.

Each class has an exit code for the command line; each error says what happened, where, and what to do next::

    NightlyError                     1   the root: catch this to catch everything of ours
    ├── PromotionRefused             1   the night is not good enough to be called known good
    ├── UsageError                   2   an argument is wrong
    │   └── SettingsError            2   a profile, a table or an environment variable is wrong
    ├── EnvironmentNotReady          3   Docker, emulation, a registry or a port is missing
    │   ├── DiskFull                 3   no space left where images or records are kept
    │   ├── StoreForbidden           3   the artifacts' bucket is not there, or refuses us
    │   └── StoreUnavailable         3   the artifacts' storage could not be asked; may pass
    ├── SourceError                  4   the repository or the commit under test cannot be had
    ├── BuildError                   5   an image could not be built
    │   ├── BuildTimedOut            5   ... within its deadline
    │   ├── BuildLoginRefused        5   ... because a registry refused the login on the way
    │   └── SanityCheckFailed        5   ... into something that starts
    ├── ContainerError               6   a container could not be started, watched or read
    │   └── NoGpu                    6   the runner has fewer GPUs than the stage asks for
    ├── RegistryError                7   a registry refused, or could not be asked
    │   ├── RegistryAbsent           7   the repository is not there
    │   ├── RegistryForbidden        7   the login is wrong or lacks a right
    │   │   └── RegistryLoginExpired 7   ... or was good, and is not any more
    │   ├── RegistryConflict         7   two registries, or a registry and its content, disagree
    │   │   └── RegistryTagImmutable 7   ... because the tag names something else and may not move
    │   ├── RegistryFull             7   no space or quota is left where it keeps its data
    │   └── RegistryUnavailable      7   could not be asked; may pass: the only ones that are retried
    │       └── RegistryThrottled    7   ... because we asked too often
    ├── RecordError                  8   a run, a night or an artifact is not on record
    ├── NotificationError            9   the message could not be delivered
    └── ProcessError                10   a program we call failed, was killed, or is not installed
        └── ProcessTimedOut         10   ... or did not end within its deadline
"""

# ruff: noqa: N818 - named after what happened, like the standard library's `KeyboardInterrupt`

from __future__ import annotations

from typing import ClassVar


class NightlyError(Exception):
    """The root of the tree.

    Attributes:
        message: what happened, and where.
        next_step: what the reader can do about it; shown on a line of its own.
    """

    exit_code: ClassVar[int] = 1
    default_next_step: ClassVar[str] = "Run `nightly doctor` to see whether the machine is ready."

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step or self.default_next_step

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.next_step}"

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (a step runs in a process of its own): keyword arguments must survive.
        return _rebuild, (type(self), self.message, self.next_step, self.__dict__)


def _rebuild(cls: type[NightlyError], message: str, next_step: str, state: dict[str, object]) -> NightlyError:
    error = cls.__new__(cls)
    Exception.__init__(error, message)
    error.message, error.next_step = message, next_step
    error.__dict__.update(state)
    return error


class PromotionRefused(NightlyError):
    """A night's images may not be called known good: something failed, or is not known."""

    default_next_step = "See `nightly report`; choose another night or framework."


class UsageError(NightlyError):
    """An argument or a setting is wrong: an unknown framework, a date in the future, a selection of nothing."""

    exit_code = 2
    default_next_step = "See `nightly --help`."


class SettingsError(UsageError):
    """A profile, the table of the night, or an environment variable does not validate."""

    default_next_step = "Correct the field and run `nightly plan` to check it."


class EnvironmentNotReady(NightlyError):
    """Something outside the project is missing: Docker, emulation, a registry, a port.

    Attributes:
        metrics: what was seen of a build that it ended (a `model.metrics.BuildMetrics`), or None.
    """

    exit_code = 3
    default_next_step = "Run `nightly doctor`; `make setup` installs and starts what is missing."

    def __init__(self, message: str, *, next_step: str | None = None, metrics: object | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.metrics = metrics


class DiskFull(EnvironmentNotReady):
    """No space is left where images or records are kept."""

    default_next_step = "Free space: `docker system df`, `nightly prune`, then run again."


class StoreForbidden(EnvironmentNotReady):
    """The bucket of the artifacts is not there, or the login is missing, wrong, or lacks a right."""

    default_next_step = "Check `artifacts:` in the profile, AWS's credentials, and the rights on the bucket."


class StoreUnavailable(EnvironmentNotReady):
    """The storage of the artifacts could not be asked (network, 5xx, throttled), also not when asked again."""

    default_next_step = "It may pass by itself; check `artifacts.endpoint` in the profile and the network."


class SourceError(NightlyError):
    """The repository or the commit under test cannot be had."""

    exit_code = 4
    default_next_step = "Check `source.repository` and `source.ref` in the profile."


class BuildError(NightlyError):
    """An image could not be built.

    Attributes:
        metrics: what was seen of the build before it failed (a `model.metrics.BuildMetrics`), or None.
    """

    exit_code = 5
    default_next_step = (
        "Read the end of the build log; build the same target by hand with `docker buildx build`."
    )

    def __init__(self, message: str, *, next_step: str | None = None, metrics: object | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.metrics = metrics


class BuildTimedOut(BuildError):
    """An image was not built within its deadline."""

    default_next_step = (
        "Look at the slowest step in the build metrics, or raise the image's timeout in the table."
    )


class BuildLoginRefused(BuildError):
    """A registry refused the login while the builder pulled from it or pushed to it.

    A long build outlives its login: it is repeated once with a new one, from the builder's cache.
    """

    default_next_step = (
        "Check the credentials of the registries in the profile, and that the repository exists."
    )


class SanityCheckFailed(BuildError):
    """An image was built, but what is in it does not start or is not what its labels say."""

    default_next_step = "Read the sanity check's output in the build log; the moving tags were left alone."


class ContainerError(NightlyError):
    """A container could not be started, watched or read."""

    exit_code = 6
    default_next_step = "Check the runner's Docker daemon: `docker info`, `docker ps -a`."


class NoGpu(ContainerError):
    """The runner has fewer GPUs than the stage asks for."""

    default_next_step = "Run the stage on a runner with GPUs, or use a profile whose engine is mock."


class RegistryError(NightlyError):
    """A registry refused a request, or could not be asked."""

    exit_code = 7
    default_next_step = "Check the registry's settings in the profile and `nightly doctor`."


class RegistryAbsent(RegistryError):
    """The repository is not there. That a tag is not there is an answer, and no error."""

    default_next_step = "Create the repository in this registry; it does not make one on the first push."


class RegistryForbidden(RegistryError):
    """The login is wrong, or lacks a right."""

    default_next_step = "Check the credentials of this registry and the rights they carry."


class RegistryLoginExpired(RegistryForbidden):
    """The login was good and is not any more, and a new one did not help."""

    default_next_step = "Renew the credentials the login is made from; check this machine's clock."


class RegistryConflict(RegistryError):
    """A digest differs, an index lacks a platform, or what was written is not what is answered."""


class RegistryTagImmutable(RegistryConflict):
    """The tag names something else and may not move."""

    default_next_step = (
        "Let this tag move (ECR: an exclusion filter of the repository's immutability), or use another."
    )


class RegistryFull(RegistryError):
    """No space, or no quota, is left where the registry keeps its data."""

    default_next_step = "Free space where this registry keeps its data, or raise its quota."


class RegistryUnavailable(RegistryError):
    """The registry could not be asked (network, 5xx, throttled). May pass, so it is retried.

    Attributes:
        retry_after_s: seconds the registry asked us to wait, or None.
    """

    default_next_step = "It may pass by itself; then `nightly publish --date DATE` publishes what was built."

    def __init__(
        self, message: str, *, next_step: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.retry_after_s = retry_after_s


class RegistryThrottled(RegistryUnavailable):
    """The registry answers, but not so often."""

    default_next_step = (
        "Wait, then `nightly publish --date DATE`; lower `max_concurrent_steps` if it happens every night."
    )


class RecordError(NightlyError):
    """A run, a night or an artifact is not on record."""

    exit_code = 8
    default_next_step = "See `nightly status` for the runs on record."


class NotificationError(NightlyError):
    """The message could not be delivered, which never fails a night."""

    exit_code = 9
    default_next_step = "Check the token or webhook; materialize `nightly_summary` again to send it later."


class ProcessError(NightlyError):
    """A program we call failed, was killed, or is not installed.

    Attributes:
        argv: what was called, secrets masked.
        exit_code_of_process: its exit code, negative for a signal, None when it did not start.
        stderr_tail: the last lines of its standard error.
    """

    exit_code = 10

    def __init__(
        self,
        message: str,
        *,
        argv: tuple[str, ...] = (),
        exit_code_of_process: int | None = None,
        stderr_tail: str = "",
        next_step: str | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.argv = argv
        self.exit_code_of_process = exit_code_of_process
        self.stderr_tail = stderr_tail


class ProcessTimedOut(ProcessError):
    """A program did not end within its deadline and was ended, first with TERM, then with KILL."""
