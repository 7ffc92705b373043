"""List the packages of a file system as SPDX 2.3, for BuildKit.

BuildKit runs this program in a container of its own after a build and attaches what it writes to the image
(`docker buildx build --attest type=sbom,generator=IMAGE`). The protocol is BuildKit's, sbom-protocol.md in its docs:
variables name a folder to scan, folders of build stages to scan as well, and the folder that takes one in-toto
statement for each of them. BuildKit adds the subject.

It reads what package managers wrote down and nothing else: dpkg's status (Debian, Ubuntu) and the METADATA of
installed Python distributions. Files that no package manager put there are not found. Everything it reads is
untrusted: links are not followed, sizes are bounded, what cannot be read is left out and counted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

NAME, VERSION = "nightly-sbom-scanner", "1.0.0"
STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1"
PREDICATE_TYPE = "https://spdx.dev/Document"
UNKNOWN = "NOASSERTION"

MOST_STATUS_BYTES = 64 * 1024 * 1024
MOST_METADATA_BYTES = 256 * 1024
MOST_PACKAGES = 50_000

_METADATA_FILES = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}
_LICENCE = re.compile(r"[A-Za-z0-9.+()\- ]{1,200}")


@dataclass(frozen=True, order=True)
class Package:
    """One installed package. `url` is its package URL (purl)."""

    url: str
    name: str
    version: str
    licence: str = UNKNOWN
    found_in: str = ""


def main() -> int:
    """Scan what BuildKit names; the exit code is 0 when every folder has its statement."""
    destination = Path(os.environ["BUILDKIT_SCAN_DESTINATION"])
    folders = [Path(os.environ["BUILDKIT_SCAN_SOURCE"])]
    if extras := os.environ.get("BUILDKIT_SCAN_SOURCE_EXTRAS"):
        folders += sorted(path for path in Path(extras).iterdir() if path.is_dir())
    for folder in folders:
        packages = scan(folder)
        (destination / f"{folder.name}.spdx.json").write_text(json.dumps(statement(folder, packages)))
        print(f"{NAME} {VERSION}: {folder.name}: {len(packages)} packages")
    return 0


def scan(root: Path) -> list[Package]:
    """Every package below a folder, once each, in the order of their package URLs."""
    found = {package.url: package for package in (*debian_packages(root), *python_packages(root))}
    if len(found) > MOST_PACKAGES:
        raise SystemExit(f"{NAME}: more than {MOST_PACKAGES} packages: this is not an image's file system")
    return sorted(found.values())


def debian_packages(root: Path) -> Iterator[Package]:
    """What dpkg has installed: its status file, or the folder of them that images without dpkg keep."""
    distribution = _distribution(root)
    folder = root / "var/lib/dpkg"
    if folder.resolve() != root.resolve() / "var/lib/dpkg":
        return  # a link on the way would lead out of what is scanned
    files = [folder / "status", *sorted(_entries(folder / "status.d"))]
    for file in files:
        if file.name.endswith(".md5sums"):
            continue
        for paragraph in re.split(r"\n\s*\n", _read(file, MOST_STATUS_BYTES)):
            fields = _fields(paragraph.splitlines())
            if (package := _debian_package(fields, distribution, file, root)) is not None:
                yield package


def _debian_package(
    fields: dict[str, str], distribution: tuple[str, str], file: Path, root: Path
) -> Package | None:
    name, version = fields.get("package", ""), fields.get("version", "")
    # status.d has no Status field: what is listed there is installed.
    if not name or not version or not fields.get("status", "ok installed").endswith("ok installed"):
        return None
    vendor, release = distribution
    qualifiers = {"arch": fields.get("architecture", ""), "distro": f"{vendor}-{release}" if release else ""}
    url = _package_url(f"deb/{vendor}", name, version, qualifiers)
    return Package(url, name, version, found_in=f"/{file.relative_to(root)}")


def python_packages(root: Path) -> Iterator[Package]:
    """What Python's installers wrote down, in every site-packages there is."""
    for folder in _metadata_folders(root):
        file = folder / _METADATA_FILES[folder.suffix]
        head = _read(file, MOST_METADATA_BYTES).split("\n\n", 1)[0]
        fields = _fields(head.splitlines())
        name, version = fields.get("name", ""), fields.get("version", "")
        if name and version:
            licence = fields.get("license-expression", "")
            yield Package(
                url=_package_url("pypi", re.sub(r"[-_.]+", "-", name).lower(), version),
                name=name,
                version=version,
                licence=licence if _LICENCE.fullmatch(licence) else UNKNOWN,
                found_in=f"/{file.relative_to(root)}",
            )


def _metadata_folders(root: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(root):
        for name in list(names):
            if name.endswith(tuple(_METADATA_FILES)):
                names.remove(name)
                if not Path(folder, name).is_symlink():
                    yield Path(folder, name)


def statement(root: Path, packages: Iterable[Package]) -> dict[str, Any]:
    """The in-toto statement of a scan, its predicate an SPDX document. BuildKit fills in the subject."""
    return {"_type": STATEMENT_TYPE, "predicateType": PREDICATE_TYPE, "predicate": document(root, packages)}


def document(root: Path, packages: Iterable[Package]) -> dict[str, Any]:
    """The SPDX 2.3 document. The same packages make the same document, but for the time."""
    listed = [_spdx_package(package) for package in packages]
    vendor, release = _distribution(root)
    whole = {
        "SPDXID": "SPDXRef-RootFileSystem",
        "name": f"{vendor} {release}".strip(),
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
    }
    content = hashlib.sha256(json.dumps([whole, listed]).encode()).hexdigest()
    contains = [_relationship(whole["SPDXID"], "CONTAINS", package["SPDXID"]) for package in listed]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": root.name,
        "documentNamespace": f"urn:nightly:sbom:{content}",
        "creationInfo": {
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: {NAME}-{VERSION}"],
        },
        "packages": [whole, *listed],
        "relationships": [_relationship("SPDXRef-DOCUMENT", "DESCRIBES", whole["SPDXID"]), *contains],
    }


def _spdx_package(package: Package) -> dict[str, Any]:
    locator = {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": package.url,
    }
    return {
        # A package URL has characters that an SPDX id must not have; its digest is as unique.
        "SPDXID": f"SPDXRef-Package-{hashlib.sha256(package.url.encode()).hexdigest()[:16]}",
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": package.licence,
        "copyrightText": UNKNOWN,
        "sourceInfo": f"found in {package.found_in}",
        "externalRefs": [locator],
    }


def _relationship(element: Any, kind: str, related: Any) -> dict[str, Any]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}


def _package_url(kind: str, name: str, version: str, qualifiers: dict[str, str] | None = None) -> str:
    pairs = [f"{key}={quote(value, safe='')}" for key, value in sorted((qualifiers or {}).items()) if value]
    query = f"?{'&'.join(pairs)}" if pairs else ""
    return f"pkg:{kind}/{quote(name, safe='')}@{quote(version, safe='')}{query}"


def _distribution(root: Path) -> tuple[str, str]:
    """Vendor and release, as os-release says them; `linux` and nothing where there is none."""
    text = _read(root / "etc/os-release", 64 * 1024) or _read(root / "usr/lib/os-release", 64 * 1024)
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    values = {key: value.strip().strip("\"'") for key, value in pairs.items()}
    vendor = values.get("ID", "")
    return vendor if re.fullmatch(r"[a-z0-9._-]{1,40}", vendor) else "linux", values.get("VERSION_ID", "")[
        :40
    ]


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """`Name: value` lines, names in lower case; lines that continue a value are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and not line[:1].isspace():
            fields.setdefault(name.strip().lower(), value.strip()[:500])
    return fields


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _read(file: Path, most: int) -> str:
    """The text of a regular file; empty when there is none. A link would lead out of what is scanned."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(most).decode(errors="replace").replace("\r\n", "\n")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
