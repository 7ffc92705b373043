"""What an image says it is made of, and where it comes from: attestations (in-toto statements) as plain values.

Formats: SPDX 2.3 (package lists, as BuildKit's scanners write them) and SLSA provenance 0.2 and 1 (as BuildKit writes
it). All of it is read from a registry and untrusted: texts are cut, counts are bounded, and nothing here is a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from pydantic import TypeAdapter

from nightly_pipeline.model.outcomes import Record

SPDX = "https://spdx.dev/Document"
PROVENANCE = ("https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1")

MOST_PACKAGES = 100_000
MOST_MATERIALS = 1_000
LONGEST_TEXT = 300

_REVISION_LABEL = "label:org.opencontainers.image.revision"
_SOURCE_LABEL = "label:org.opencontainers.image.source"
_BUILDKIT = "https://mobyproject.org/buildkit@v1#metadata"

Document = Mapping[str, Any]


class Package(Record):
    """One package of an image.

    Attributes:
        type: who installed it, as package URLs name it: deb, rpm, pypi, npm, golang, ...; `unknown` without a URL.
        url: its package URL, `pkg:pypi/vllm@0.32.0`.
        licence: an SPDX expression, as the package declares it; None when it does not.
    """

    name: str
    version: str | None = None
    type: str = "unknown"
    url: str | None = None
    licence: str | None = None


class Material(Record):
    """Something a build took in: a base image, a repository, a downloaded file.

    Attributes:
        name: an image as `host/repository:tag`; of anything else its address.
        digest: `sha256:...`, or `sha1:...` for a commit.
    """

    uri: str
    name: str
    digest: str | None = None
    is_image: bool = False


class Provenance(Record):
    """How an image was built, as the builder says.

    Attributes:
        builder: who says so: an address; None when the builder does not name itself.
        materials: everything that was taken in, base images among them.
        commit: the revision that was built.
        repository: where that revision is from.
        started_at, finished_at: ISO 8601.
    """

    builder: str | None = None
    build_type: str | None = None
    materials: tuple[Material, ...] = ()
    commit: str | None = None
    repository: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


_PACKAGES = TypeAdapter(tuple[Package, ...])


def packages_json(packages: Iterable[Package]) -> str:
    """A package list as it is kept with a night: JSON, one package a line, so that two nights can be compared."""
    lines = ",\n".join(json.dumps(package.model_dump(exclude_none=True)) for package in packages)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def read_packages_json(content: str | bytes) -> tuple[Package, ...]:
    """A package list that was kept. Raises ValueError when it is none."""
    return _PACKAGES.validate_json(content)


def packages_in(statement: Document) -> tuple[Package, ...]:
    """The packages of an SPDX statement, sorted by type and name.

    What the document only describes (the image itself) and files are left out.

    Raises:
        ValueError: it is no SPDX document, or lists more packages than an image has.
    """
    predicate = _mapping(statement.get("predicate"))
    listed = predicate.get("packages")
    if not str(predicate.get("spdxVersion", "")).startswith("SPDX-2.") or not isinstance(listed, list):
        raise ValueError("not an SPDX 2 document")
    if len(listed) > MOST_PACKAGES:
        raise ValueError(f"{len(listed)} packages are more than an image has")
    described = set(_described(predicate))
    found = {
        _package(entry): None
        for entry in map(_mapping, listed)
        if entry.get("name") and entry.get("SPDXID") not in described
    }
    return tuple(sorted(found, key=lambda package: (package.type, package.name, package.version or "")))


def provenance_in(statement: Document) -> Provenance:
    """What a SLSA provenance statement says.

    Raises:
        ValueError: it is none.
    """
    kind, predicate = statement.get("predicateType"), _mapping(statement.get("predicate"))
    if kind not in PROVENANCE:
        raise ValueError(f"not a provenance statement: {_text(kind)}")
    return _version_0_2(predicate) if kind == PROVENANCE[0] else _version_1(predicate)


def subjects_of(statement: Document) -> frozenset[str]:
    """The digests a statement is about, `sha256:...`."""
    digests = (_digest(_mapping(subject)) for subject in _list(statement.get("subject")))
    return frozenset(digest for digest in digests if digest)


def _described(predicate: Document) -> Iterator[str]:
    yield from (str(name) for name in _list(predicate.get("documentDescribes")))
    for relationship in map(_mapping, _list(predicate.get("relationships"))):
        if relationship.get("relationshipType") == "DESCRIBES":
            yield str(relationship.get("relatedSpdxElement"))


def _package(entry: Document) -> Package:
    url = next(_package_urls(entry), None)
    licence = _text(entry.get("licenseDeclared"))
    return Package(
        name=_text(entry["name"]) or "",
        version=_text(entry.get("versionInfo")),
        type=_type_in(url),
        url=url,
        licence=None if licence in {"NOASSERTION", "NONE"} else licence,
    )


def _package_urls(entry: Document) -> Iterator[str]:
    for reference in map(_mapping, _list(entry.get("externalRefs"))):
        locator = _text(reference.get("referenceLocator"))
        if reference.get("referenceType") == "purl" and locator and locator.startswith("pkg:"):
            yield locator


def _type_in(url: str | None) -> str:
    kind = (url or "").removeprefix("pkg:").split("/", 1)[0]
    return kind.lower() if kind.isascii() and kind.replace("+", "").replace("-", "").isalnum() else "unknown"


def _version_0_2(predicate: Document) -> Provenance:
    metadata, arguments = _mapping(predicate.get("metadata")), _arguments(predicate.get("invocation"))
    return Provenance(
        builder=_text(_mapping(predicate.get("builder")).get("id")),
        build_type=_text(predicate.get("buildType")),
        materials=_materials(predicate.get("materials")),
        started_at=_text(metadata.get("buildStartedOn")),
        finished_at=_text(metadata.get("buildFinishedOn")),
        **_source(_mapping(metadata.get(_BUILDKIT)), arguments),
    )


def _version_1(predicate: Document) -> Provenance:
    definition, details = _mapping(predicate.get("buildDefinition")), _mapping(predicate.get("runDetails"))
    external, metadata = _mapping(definition.get("externalParameters")), _mapping(details.get("metadata"))
    own = _mapping(metadata.get("buildkit_metadata"))
    return Provenance(
        builder=_text(_mapping(details.get("builder")).get("id")),
        build_type=_text(definition.get("buildType")),
        materials=_materials(definition.get("resolvedDependencies")),
        started_at=_text(metadata.get("startedOn")),
        finished_at=_text(metadata.get("finishedOn")),
        **_source(own, _mapping(_mapping(external.get("request")).get("args"))),
    )


def _arguments(invocation: Any) -> Document:
    return _mapping(_mapping(_mapping(invocation).get("parameters")).get("args"))


def _source(own: Document, arguments: Document) -> dict[str, str | None]:
    """BuildKit knows the commit of a git checkout; of an export, as the pipeline builds it, its labels do."""
    vcs = _mapping(own.get("vcs"))
    return {
        "commit": _text(vcs.get("revision") or arguments.get(_REVISION_LABEL)),
        "repository": _text(vcs.get("source") or arguments.get(_SOURCE_LABEL)),
    }


def _materials(listed: Any) -> tuple[Material, ...]:
    entries = [_mapping(entry) for entry in _list(listed)[:MOST_MATERIALS]]
    return tuple(_material(uri, entry) for entry in entries if (uri := _text(entry.get("uri"))))


def _material(uri: str, entry: Document) -> Material:
    is_image = uri.startswith(("pkg:docker/", "pkg:oci/"))
    return Material(
        uri=uri, name=_image_name(uri) if is_image else uri, digest=_digest(entry), is_image=is_image
    )


def _image_name(uri: str) -> str:
    """`pkg:docker/localhost%3A5000/base@1?platform=...` as `localhost:5000/base:1`."""
    path = uri.split("/", 1)[1].partition("?")[0]
    name, _, version = path.rpartition("@") if "@" in path else (path, "", "")
    separator = "@" if version.startswith(("sha256%3A", "sha256:")) else ":"
    return unquote(f"{name}{separator}{version}" if version else name)


def _digest(entry: Document) -> str | None:
    digests = _mapping(entry.get("digest"))
    found = ((name, digests.get(name)) for name in ("sha256", "sha1", "gitCommit"))
    return next((f"{name}:{_text(value)}" for name, value in found if isinstance(value, str)), None)


def _mapping(value: Any) -> Document:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """A text, cut; None for nothing and for what is no text."""
    return value[:LONGEST_TEXT] if isinstance(value, str) and value else None
