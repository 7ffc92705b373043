"""Images as BuildKit pushes them, put into a registry by plain HTTP, past all code of ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import httpx

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push_image(host: str, name: str, layers: Sequence[bytes], *tags: str) -> str:
    """An index of one linux/amd64 image; its digest."""
    with httpx.Client(base_url=f"http://{host}/v2/{name}", trust_env=False, timeout=120) as http:
        config = _put_blob(http, json.dumps({"architecture": "amd64", "os": "linux", "config": {}}).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar", **_put_blob(http, layer)}
                for layer in layers
            ],
        }
        child = {**_put_manifest(http, manifest), "platform": {"os": "linux", "architecture": "amd64"}}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}
        return str(_put_manifest(http, index, *tags)["digest"])


def _put_blob(http: httpx.Client, content: bytes) -> dict[str, Any]:
    location = http.post("/blobs/uploads/").raise_for_status().headers["Location"]
    digest = digest_of(content)
    http.put(httpx.URL(location).copy_merge_params({"digest": digest}), content=content).raise_for_status()
    return {"digest": digest, "size": len(content)}


def _put_manifest(http: httpx.Client, document: dict[str, Any], *tags: str) -> dict[str, Any]:
    content = json.dumps(document).encode()
    for reference in tags or (digest_of(content),):
        headers = {"Content-Type": document["mediaType"]}
        http.put(f"/manifests/{reference}", content=content, headers=headers).raise_for_status()
    return {"mediaType": document["mediaType"], "digest": digest_of(content), "size": len(content)}
