"""The two registries of this machine, by plain HTTP and past all code of ours."""

from __future__ import annotations

from contextlib import suppress

import httpx

ECR, ACR = "localhost:5000", "localhost:5001"
BUSY_S = 120
"""How long a registry may take to answer while builds are pushed to it."""
ACCEPT = ", ".join(
    f"application/vnd.{name}"
    for name in (
        "oci.image.index.v1+json",
        "oci.image.manifest.v1+json",
        "docker.distribution.manifest.list.v2+json",
        "docker.distribution.manifest.v2+json",
    )
)


def read_manifest(reference: str) -> httpx.Response:
    """What a registry answers for host/repository:tag or host/repository@digest."""
    host, _, rest = reference.partition("/")
    name, _, what = rest.partition("@") if "@" in rest else rest.rpartition(":")
    address = f"http://{host}/v2/{name}/manifests/{what}"
    return httpx.get(address, headers={"Accept": ACCEPT}, trust_env=False, timeout=BUSY_S)


def tags_of(host: str, name: str) -> list[str]:
    """The tags of a repository; none where there is no such repository."""
    answer = httpx.get(f"http://{host}/v2/{name}/tags/list", trust_env=False, timeout=BUSY_S)
    return answer.json().get("tags") or []


def empty_repository(host: str, name: str) -> None:
    """Delete everything that a tag names and, after each index, its children. The name itself stays listed."""
    for tag in tags_of(host, name):
        answer = read_manifest(f"{host}/{name}:{tag}")
        if answer.status_code != httpx.codes.OK:
            continue
        children = [child["digest"] for child in answer.json().get("manifests", [])]
        for digest in (answer.headers["Docker-Content-Digest"], *children):
            with suppress(httpx.HTTPError):
                address = f"http://{host}/v2/{name}/manifests/{digest}"
                httpx.delete(address, trust_env=False, timeout=BUSY_S)
