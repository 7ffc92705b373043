"""Signing what is published: in every registry, by digest, before any tag leads to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from nightly_pipeline.errors import EnvironmentNotReady, NightlyError, ProcessError
from nightly_pipeline.model.outcomes import PublicationStatus
from nightly_pipeline.steps.publish import PublishTools, publish_image, publish_index
from nightly_pipeline.steps.records import NightRecords
from tests.factories import DATE, RUN_ID, image, plan
from tests.fakes.registry_memory import MemoryRegistry
from tests.fakes.store import MemoryStore

NIGHT = plan(frameworks=["vllm"])
[INDEX] = NIGHT.indexes


@dataclass
class FakeSigner:
    """Remembers what it signed, and which tags were there then; fails where it is told to."""

    registries: dict[str, MemoryRegistry]
    errors: dict[str, NightlyError] = field(default_factory=dict)
    signed: list[str] = field(default_factory=list)
    tags_then: list[list[str]] = field(default_factory=list)

    def sign(self, reference: str) -> None:
        [registry] = [one for one in self.registries.values() if reference.startswith(one.host)]
        if registry.role in self.errors:
            raise self.errors[registry.role]
        assert reference.partition("@")[2] in registry.manifests
        self.signed.append(reference)
        self.tags_then.append(sorted(registry.tags))


@pytest.fixture
def signer(registries):
    return FakeSigner(registries)


@pytest.fixture
def tools(registries, signer):
    return PublishTools(registries, "ecr", NightRecords(MemoryStore()), signer)


def publish(tools: PublishTools, planned=NIGHT.publications[0], log=print):
    digest = tools.registries["ecr"].add_image(planned.platform)
    built = image(arch=planned.arch, digest=digest)
    return publish_image(planned, built, tools, log, date=DATE, run_id=RUN_ID)


def test_an_image_is_signed_by_digest_in_every_registry_before_its_tags_are_there(tools, signer):
    lines = []
    outcome = publish(tools, log=lines.append)

    references = [f"localhost:{port}/nightly@{outcome.digest}" for port in (5000, 5001)]
    assert signer.signed == references
    assert signer.tags_then == [[], []]
    assert outcome.signed
    assert [line for line in lines if line.endswith(" signed")] == [
        f"ecr: {references[0]} signed",
        f"acr: {references[1]} signed",
    ]


def test_an_index_is_signed_too(tools, signer):
    images = [publish(tools, planned) for planned in NIGHT.publications]
    outcome = publish_index(INDEX, images, tools, print, date=DATE, run_id=RUN_ID)

    assert outcome.signed
    assert signer.signed[-2:] == [f"localhost:{port}/nightly@{outcome.digest}" for port in (5000, 5001)]


@pytest.mark.parametrize(
    ("error", "status"),
    [(ProcessError("refused"), "failed"), (EnvironmentNotReady("no cosign"), "infra_error")],
)
def test_what_cannot_be_signed_is_not_published_and_gets_no_tag(tools, signer, registries, error, status):
    signer.errors["acr"] = error
    outcome = publish(tools)

    assert (outcome.status, outcome.signed) == (status, False)
    assert error.message in outcome.message
    assert registries["acr"].tags == {}
    assert [copy.digest is not None for copy in outcome.copies] == [True, False]


def test_without_a_key_nobody_signs_and_nobody_says_so(tools):
    outcome = publish(replace(tools, signer=None))

    assert (outcome.status, outcome.signed) == (PublicationStatus.PUBLISHED, False)
