"""The program that lists an image's packages for BuildKit, run as BuildKit runs it, on file systems made here."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "docker" / "sbom_scanner" / "scan.py"

OS_RELEASE = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u14
Description: GNU C Library
 Package: not-a-package
 .
 Version: 0

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: half
Status: install ok half-installed
Version: 1.0

Package: tzdata
Status: install ok installed
Architecture: all
Version: 1:2026f
"""


@pytest.fixture(scope="module")
def scan():
    spec = importlib.util.spec_from_file_location("sbom_scan", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sbom_scan"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path):
    """A small Debian file system with two Python distributions."""
    folder = tmp_path / "sbom"
    write(folder / "etc/os-release", OS_RELEASE)
    write(folder / "var/lib/dpkg/status", STATUS)
    python(folder, "opt/engine/lib/python3.11/site-packages", "vLLM", "0.32.0", licence="Apache-2.0")
    python(folder, "usr/lib/python3/dist-packages", "zope.interface", "7.1")
    return folder


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def python(root, folder, name, version, *, licence=None):
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    lines += [f"License-Expression: {licence}"] if licence else []
    text = "\n".join([*lines, "", "Name: in-the-description", ""])
    write(root / folder / f"{name}-{version}.dist-info" / "METADATA", text)


def run(root, destination, **variables):
    destination.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "BUILDKIT_SCAN_SOURCE": str(root),
        "BUILDKIT_SCAN_DESTINATION": str(destination),
        **variables,
    }
    argv = [sys.executable, "-I", str(PROGRAM)]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout


def urls(scan, root):
    return [package.url for package in scan.scan(root)]


def test_a_statement_is_written_for_the_image_and_for_each_stage(root, tmp_path):
    stages = tmp_path / "extras"
    python(stages / "toolbox", "usr/lib/python3/dist-packages", "uv", "0.9")
    said = run(root, tmp_path / "out", BUILDKIT_SCAN_SOURCE_EXTRAS=str(stages))

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "sbom.spdx.json",
        "toolbox.spdx.json",
    ]
    statement = json.loads((tmp_path / "out/sbom.spdx.json").read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v0.1"
    assert statement["predicateType"] == "https://spdx.dev/Document"
    assert "subject" not in statement  # BuildKit's to fill in
    assert "sbom: 4 packages" in said


def test_what_package_managers_installed_is_listed_and_nothing_else(scan, root):
    assert urls(scan, root) == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12",
        "pkg:deb/debian/tzdata@1%3A2026f?arch=all&distro=debian-12",
        "pkg:pypi/vllm@0.32.0",
        "pkg:pypi/zope-interface@7.1",
    ]


def test_a_package_keeps_the_name_it_gives_itself_and_its_licence(scan, root):
    [vllm] = [package for package in scan.scan(root) if package.url.startswith("pkg:pypi/vllm")]

    assert (vllm.name, vllm.licence) == ("vLLM", "Apache-2.0")
    assert vllm.found_in == "/opt/engine/lib/python3.11/site-packages/vLLM-0.32.0.dist-info/METADATA"


@pytest.mark.parametrize("licence", ["x" * 300, "MIT\x00", "<script>", "MIT; DROP"])
def test_a_licence_that_is_no_expression_is_not_claimed(scan, root, licence):
    python(root, "usr/lib/python3/dist-packages", "odd", "1", licence=licence)

    [odd] = [package for package in scan.scan(root) if package.name == "odd"]
    assert odd.licence == "NOASSERTION"


def test_images_without_dpkg_keep_a_file_a_package(scan, tmp_path):
    folder = tmp_path / "var/lib/dpkg/status.d"
    write(folder / "base-files", "Package: base-files\nArchitecture: amd64\nVersion: 12.4\n")
    write(folder / "base-files.md5sums", "d41d8cd98f00b204e9800998ecf8427e  usr/share\n")

    assert urls(scan, tmp_path) == ["pkg:deb/linux/base-files@12.4?arch=amd64"]


def test_egg_info_is_read_too(scan, tmp_path):
    write(tmp_path / "usr/lib/python3/old-1.egg-info/PKG-INFO", "Name: old\nVersion: 1\n")

    assert urls(scan, tmp_path) == ["pkg:pypi/old@1"]


def test_an_empty_file_system_has_an_empty_list(scan, tmp_path):
    assert scan.scan(tmp_path) == []


def test_links_are_not_followed_out_of_the_image(scan, tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(outside / "METADATA", "Name: secret\nVersion: 1\n")
    (root / "a-1.dist-info").mkdir(parents=True)
    (root / "a-1.dist-info/METADATA").symlink_to(outside / "METADATA")
    (root / "b-1.dist-info").symlink_to(outside)
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").symlink_to(outside / "status")
    write(outside / "status", STATUS)

    assert scan.scan(root) == []


def test_a_folder_of_dpkg_that_is_a_link_is_not_followed(scan, tmp_path):
    write(tmp_path / "outside/dpkg/status", STATUS)
    (tmp_path / "root/var").mkdir(parents=True)
    (tmp_path / "root/var/lib").symlink_to(tmp_path / "outside")

    assert scan.scan(tmp_path / "root") == []


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"Name: x", b"Version: 1", b"Name: \nVersion: \n", b"no colon\n" * 1000]
)
def test_metadata_that_says_nothing_is_left_out(scan, root, content):
    before = urls(scan, root)
    write(root / "usr/lib/python3/dist-packages/odd-1.dist-info/METADATA", content)

    assert urls(scan, root) == before


def test_a_pipe_in_the_place_of_a_file_does_not_hang(scan, tmp_path):
    (tmp_path / "a-1.dist-info").mkdir()
    os.mkfifo(tmp_path / "a-1.dist-info/METADATA")

    assert scan.scan(tmp_path) == []


def test_large_files_are_read_to_a_bound(scan, tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "MOST_METADATA_BYTES", 20)
    write(tmp_path / "a-1.dist-info/METADATA", "Name: a\n" + "Filler: x\n" * 100 + "Version: 1\n")

    assert scan.scan(tmp_path) == []


def test_the_same_packages_make_the_same_document(scan, root):
    first, second = (scan.document(root, scan.scan(root)) for _ in range(2))
    python(root, "usr/lib/python3/dist-packages", "more", "1")
    third = scan.document(root, scan.scan(root))

    assert first["documentNamespace"] == second["documentNamespace"] != third["documentNamespace"]


def test_a_document_has_what_spdx_requires(scan, root):
    document = scan.document(root, scan.scan(root))

    assert (document["spdxVersion"], document["dataLicense"], document["SPDXID"]) == (
        "SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"
    )  # fmt: skip
    assert document["creationInfo"]["creators"] == [f"Tool: nightly-sbom-scanner-{scan.VERSION}"]
    ids = [package["SPDXID"] for package in document["packages"]]
    assert len(set(ids)) == len(ids) == 5
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
    assert all({"name", "downloadLocation"} <= set(package) for package in document["packages"])
    related = {one["relatedSpdxElement"] for one in document["relationships"]}
    assert related == set(ids)
