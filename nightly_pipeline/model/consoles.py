"""Where a person looks at a repository or an image in a cloud's own console."""

from __future__ import annotations

from urllib.parse import quote

_AWS_CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
_AWS = "console.aws.amazon.com"
_AZURE_REGISTRIES = "https://portal.azure.com/#browse/Microsoft.ContainerRegistry%2Fregistries"
_AZURE_REPOSITORY = "https://portal.azure.com/#view/Microsoft_Azure_ContainerRegistries/RepositoryBlade"


def aws_console(region: str, account: str, repository: str, digest: str | None = None) -> str:
    """The page of a repository in ECR, or of one of its images.

    >>> aws_console("us-west-2", "123456789012", "nightly")
    'https://us-west-2.console.aws.amazon.com/ecr/repositories/private/123456789012/nightly?region=us-west-2'
    """
    host = next((name for start, name in _AWS_CONSOLES.items() if region.startswith(start)), _AWS)
    image = f"/_/image/{digest}/details" if digest else ""
    return f"https://{region}.{host}/ecr/repositories/private/{account}/{repository}{image}?region={region}"


def azure_portal(resource_id: str | None, repository: str) -> str:
    """The page of a repository in ACR; the list of registries where the registry's resource id is not known.

    >>> azure_portal("/subscriptions/s", "nightly").rpartition("/id/")[2]
    '%2Fsubscriptions%2Fs/repository/nightly'
    """
    if resource_id is None:
        return _AZURE_REGISTRIES
    return f"{_AZURE_REPOSITORY}/id/{quote(resource_id, safe='')}/repository/{quote(repository, safe='')}"
