"""Addresses of the clouds' consoles."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.consoles import aws_console, azure_portal
from nightly_pipeline.settings_registries import RegistrySettings

DIGEST = f"sha256:{'a' * 64}"
REGISTRY_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"


def test_an_image_in_ecr():
    assert aws_console("eu-west-1", "123456789012", "team/nightly", DIGEST) == (
        "https://eu-west-1.console.aws.amazon.com/ecr/repositories/private/123456789012/team/nightly"
        f"/_/image/{DIGEST}/details?region=eu-west-1"
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("us-east-1", "us-east-1.console.aws.amazon.com"),
    ],
)
def test_each_partition_has_its_own_console(region, host):
    assert aws_console(region, "1" * 12, "nightly").startswith(f"https://{host}/ecr/")


def test_a_repository_in_acr():
    address = azure_portal(REGISTRY_ID, "team/nightly")
    assert address.endswith("%2Fregistries%2Fr/repository/team%2Fnightly")
    assert "/RepositoryBlade/id/%2Fsubscriptions%2Fs%2F" in address


@pytest.mark.parametrize(
    ("registry", "start"),
    [
        (RegistrySettings(host="localhost:5000"), None),
        (RegistrySettings(kind="ecr", host="localhost:5000"), None),
        (
            RegistrySettings(kind="ecr", host=f"{'1' * 12}.dkr.ecr.us-east-1.amazonaws.com"),
            f"https://us-east-1.console.aws.amazon.com/ecr/repositories/private/{'1' * 12}/nightly/",
        ),
        (RegistrySettings(kind="acr", host="r.azurecr.io"), "https://portal.azure.com/#browse/"),
        (
            RegistrySettings(kind="acr", host="r.azurecr.io", resource_id=REGISTRY_ID),
            "https://portal.azure.com/#view/",
        ),
    ],
)
def test_a_registry_knows_its_console_when_it_has_one(registry, start):
    found = registry.console(DIGEST)
    assert found is None if start is None else found.startswith(start)
