"""ECR on one machine: moto for its API, a real docker-registry for its images, and a door that answers as ECR does.

What the door adds is what docker-registry takes and ECR refuses: repositories must exist (as moto knows them), logins
expire, tags are immutable as the repository says, BuildKit's own kind of cache index is no image, and nothing is
deleted by the distribution protocol.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import logging
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from moto.ecr.models import ecr_backends
from moto.server import ThreadedMotoServer

from tests.fakes.registry_door import Answer, Asked, Door, error
from tests.fakes.registry_program import RegistryProgram
from tests.registries import ACCEPT

ACCOUNT, REGION = "123456789012", "us-east-1"
ACCESS_KEY, SECRET_KEY = "AKIAPLANTEDKEY000001", "planted/aws/secret/access/key/0123456789"
_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags)/(?P<rest>.*)")
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="https://ecr/",service="ecr.amazonaws.com"'}
_MANIFESTS = ("manifest.v1+json", "manifest.v2+json", "index.v1+json", "manifest.list.v2+json")


class EcrApi(Door):
    """The API: moto's, but for logins, which are the door's, and deleting, which must reach the real images.

    Attributes:
        callers: action and access key of every call.
        refused: action -> what it is refused with.
    """

    def __init__(self, moto: str, registry: EcrDoor) -> None:
        super().__init__(moto)
        self._registry = registry
        self.callers: list[tuple[str, str]] = []
        self.refused: dict[str, Answer] = {}

    def refuse(self, action: str, code: str) -> None:
        """Refuse an action from now on, with one of AWS's codes."""
        self.refused[action] = Answer(400, {}, json.dumps({"__type": code, "message": "refused"}).encode())

    def wants_content(self, asked: Asked) -> bool:
        return True

    def answer(self, asked: Asked) -> Answer | None:
        action = asked.headers.get("x-amz-target", "").rpartition(".")[2]
        caller = re.search(r"Credential=([^/]+)/", asked.headers.get("authorization", ""))
        with self.lock:
            self.callers.append((action, caller[1] if caller else ""))
        if action in self.refused:
            return self.refused[action]
        if action == "GetAuthorizationToken":
            return self._document({"authorizationData": [self._registry.new_login()]})
        if action == "BatchDeleteImage":
            return self._document(self._delete(json.loads(asked.content or b"{}")))
        return None

    def _delete(self, wanted: dict[str, Any]) -> dict[str, Any]:
        deleted, failures = [], []
        for image in wanted["imageIds"]:
            failure = self._registry.delete(wanted["repositoryName"], image["imageDigest"])
            if failure:
                failures.append({"imageId": image, "failureCode": failure, "failureReason": failure})
            else:
                deleted.append(image)
        return {"imageIds": deleted, "failures": failures}

    @staticmethod
    def _document(document: dict[str, Any]) -> Answer:
        return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(document).encode())


class EcrDoor(Door):
    """The registry.

    Attributes:
        lifetime_s: how long a login is good.
        logins: those that were given, with the time each ends at.
    """

    def __init__(self, program: RegistryProgram, *, lifetime_s: float = 12 * 3600.0) -> None:
        super().__init__(program.host)
        self.lifetime_s = lifetime_s
        self.logins: dict[str, float] = {}

    def new_login(self) -> dict[str, Any]:
        password = f"planted-ecr-login-{secrets.token_hex(16)}"
        with self.lock:
            self.logins[password] = time.time() + self.lifetime_s
        return {
            "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": self.logins[password],
            "proxyEndpoint": f"https://{self.host}",
        }

    def expire_logins(self) -> None:
        with self.lock:
            self.logins = dict.fromkeys(self.logins, 0.0)

    def wants_content(self, asked: Asked) -> bool:
        return asked.method == "PUT" and "/manifests/" in asked.path

    def answer(self, asked: Asked) -> Answer | None:
        refusal = self._who(asked.headers.get("authorization", ""))
        if refusal is not None or asked.path in {"/v2", "/v2/"}:
            return refusal
        found = _PATH.fullmatch(asked.path)
        if found is None:
            return error(404, "NAME_INVALID")
        name = found["name"].removesuffix("/blobs")
        repository = repositories().get(name)
        if repository is None:
            message = f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"
            return error(404, "NAME_UNKNOWN", message)
        if asked.method == "DELETE":
            return error(405, "UNSUPPORTED", "The operation is unsupported.")
        if asked.content is not None:
            return self._refuse_manifest(name, repository, found["rest"], asked.content)
        return None

    def delete(self, name: str, digest: str) -> str | None:
        """Delete by digest as the API does; return why not."""
        address = f"http://{self.upstream}/v2/{name}"
        for tag in httpx.get(f"{address}/tags/list", trust_env=False, timeout=120).json().get("tags") or []:
            index = httpx.get(
                f"{address}/manifests/{tag}", headers={"Accept": ACCEPT}, trust_env=False, timeout=120
            )
            if digest in {child["digest"] for child in index.json().get("manifests", ())}:
                return "ImageReferencedByManifestList"
        status = httpx.delete(f"{address}/manifests/{digest}", trust_env=False, timeout=120).status_code
        return None if status == 202 else "ImageNotFound"

    def _who(self, authorization: str) -> Answer | None:
        if not authorization:
            return error(401, "UNAUTHORIZED", **_CHALLENGE)
        try:
            user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        except ValueError:
            user, password = "", ""
        ends_at = self.logins.get(password)
        if user != "AWS" or ends_at is None:
            return error(401, "UNAUTHORIZED", **_CHALLENGE)
        if time.time() >= ends_at:
            return error(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
        return None

    def _refuse_manifest(self, name: str, repository: Any, tag: str, content: bytes) -> Answer | None:
        children = json.loads(content).get("manifests", ())
        if not all(str(child.get("mediaType", "")).endswith(_MANIFESTS) for child in children):
            message = (
                "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
            )
            return error(400, "MANIFEST_INVALID", message)
        if tag.startswith("sha256:") or not is_immutable(repository, tag):
            return None
        accept = {"Accept": ACCEPT}
        there = httpx.head(
            f"http://{self.upstream}/v2/{name}/manifests/{tag}", headers=accept, trust_env=False, timeout=120
        )
        if there.status_code == 200:
            message = (
                f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten "
                "because the tag is immutable."
            )
            return error(400, "TAG_INVALID", message)
        return None


def repositories() -> dict[str, Any]:
    """The repositories moto knows, by name."""
    return dict(ecr_backends[ACCOUNT][REGION].repositories)


def is_immutable(repository: Any, tag: str) -> bool:
    filters = [one["filter"] for one in repository.image_tag_mutability_exclusion_filters or ()]
    excepted = any(fnmatch.fnmatchcase(tag, pattern) for pattern in filters)
    kind = repository.image_tag_mutability
    return {
        "IMMUTABLE": True,
        "IMMUTABLE_WITH_EXCLUSION": not excepted,
        "MUTABLE_WITH_EXCLUSION": excepted,
    }.get(kind, False)


class EcrServer:
    """All of it, running. `environment` is what AWS's libraries need to find it."""

    def __init__(self, api: EcrApi, door: EcrDoor, program: RegistryProgram) -> None:
        self.api, self.door, self.program = api, door, program
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{api.host}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def host(self) -> str:
        return self.door.host

    def create(self, *names: str) -> None:
        for name in names:
            ecr_backends[ACCOUNT][REGION].create_repository(name, None, {}, {}, "MUTABLE", [])

    def read(self, name: str, reference: str) -> httpx.Response:
        """A manifest over the real registry's HTTP API, behind the door and its troubles."""
        address = f"http://{self.program.host}/v2/{name}/manifests/{reference}"
        return httpx.get(address, headers={"Accept": ACCEPT}, trust_env=False, timeout=120)


@contextmanager
def ecr_server(folder: Path, *, lifetime_s: float = 12 * 3600.0) -> Iterator[EcrServer]:
    """ECR, running; its repositories are gone afterwards."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    with ExitStack() as stack:
        moto.start()
        stack.callback(moto.stop)
        stack.callback(ecr_backends[ACCOUNT][REGION].reset)
        program = stack.enter_context(RegistryProgram(folder))
        door = stack.enter_context(EcrDoor(program, lifetime_s=lifetime_s))
        host, port = moto.get_host_and_port()
        api = stack.enter_context(EcrApi(f"{host}:{port}", door))
        yield EcrServer(api, door, program)
