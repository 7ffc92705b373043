"""A build that outlives its login is repeated once, with a new one, within the same deadline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nightly_pipeline.errors import BuildError, BuildLoginRefused, RegistryAbsent, RegistryForbidden
from nightly_pipeline.model.requests import BuildRequest
from nightly_pipeline.tools.buildx_lasting import LastingBuilder

CONFIG = Path("/run/docker-config")
REQUEST = BuildRequest(
    dockerfile=Path("Dockerfile"),
    context=Path(),
    target="runtime",
    platform="linux/amd64",
    build_args={},
    labels={},
    push_reference=None,
    deadline_s=60.0,
    docker_config=CONFIG,
)


class Builder:
    """Raises what it is told, one build after the other, then builds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.requests: list[BuildRequest] = []

    def build(self, request, log):
        self.requests.append(request)
        if self.errors:
            raise self.errors.pop(0)
        return "built"


@pytest.fixture
def done():
    return []


def lasting(builder: Builder, done: list, *, renewing: Exception | None = None) -> LastingBuilder:
    def renew(folder: Path) -> None:
        done.append(folder)
        if renewing is not None:
            raise renewing

    return LastingBuilder(builder, renew=renew, prepare=lambda: done.append("prepared"))


def test_a_build_that_lasts_is_built_once(done):
    builder = Builder()
    assert lasting(builder, done).build(REQUEST, print) == "built"
    assert (done, len(builder.requests)) == (["prepared"], 1)


def test_a_login_that_is_refused_is_renewed_and_the_build_repeated(done, capsys):
    builder = Builder(BuildLoginRefused("403: expired"))
    assert lasting(builder, done).build(REQUEST, print) == "built"
    assert done == ["prepared", CONFIG]
    first, second = builder.requests
    assert replace(second, deadline_s=60.0) == first
    assert 0 < second.deadline_s < 60.0
    assert "403: expired Once more, with a new login." in capsys.readouterr().out


def test_a_new_login_that_is_refused_too_is_the_end(done):
    builder = Builder(*[BuildLoginRefused("403")] * 2)
    with pytest.raises(BuildLoginRefused):
        lasting(builder, done).build(REQUEST, print)
    assert len(builder.requests) == 2


def test_without_logins_of_ours_there_is_nothing_to_renew(done):
    builder = Builder(BuildLoginRefused("401"))
    with pytest.raises(BuildLoginRefused):
        lasting(builder, done).build(replace(REQUEST, docker_config=None), print)
    assert done == ["prepared"]


def test_other_failures_are_not_repeated(done):
    builder = Builder(BuildError("exit code 7"))
    with pytest.raises(BuildError, match="exit code 7"):
        lasting(builder, done).build(REQUEST, print)
    assert len(builder.requests) == 1


def test_a_new_login_that_cannot_be_had_says_why(done):
    builder = Builder(BuildLoginRefused("403"))
    with pytest.raises(RegistryForbidden, match="AWS says no"):
        lasting(builder, done, renewing=RegistryForbidden("AWS says no")).build(REQUEST, print)


def test_nothing_is_built_for_a_repository_that_is_missing():
    def prepare() -> None:
        raise RegistryAbsent("nightly is not there")

    builder = Builder()
    with pytest.raises(RegistryAbsent):
        LastingBuilder(builder, renew=lambda _: None, prepare=prepare).build(REQUEST, print)
    assert builder.requests == []
