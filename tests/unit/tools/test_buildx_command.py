from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nightly_pipeline.model.requests import BuildRequest
from nightly_pipeline.tools.buildx_command import (
    BuildOptions,
    build_argv,
    docker_environment,
    inspect_builder_argv,
)

REQUEST = BuildRequest(
    dockerfile=Path("docker/vllm/Dockerfile"),
    context=Path("src"),
    target="runtime",
    platform="linux/arm64",
    build_args={"CUDA": "129", "BASE": "a b"},
    labels={"org.example.z": "1", "org.example.a": "x=y"},
    push_reference="localhost:5000/nightly:run-1",
)

OPTIONS = BuildOptions()


def argv(request=REQUEST, options=OPTIONS):
    return build_argv(request, options, metadata_file=Path("/tmp/metadata.json"))  # noqa: S108 - never written


def test_the_whole_command():
    assert argv() == (
        "docker",
        "buildx",
        "build",
        "--progress=rawjson",
        "--file=docker/vllm/Dockerfile",
        "--target=runtime",
        "--platform=linux/arm64",
        "--build-arg=BUILDKIT_MULTI_PLATFORM=1",
        "--build-arg=BASE=a b",
        "--build-arg=CUDA=129",
        "--label=org.example.a=x=y",
        "--label=org.example.z=1",
        "--provenance=mode=max",
        (
            "--output=type=image,name=localhost:5000/nightly:run-1,push=,store=false,"
            "compression=zstd,compression-level=1,oci-mediatypes=true"
        ),
        "--metadata-file=/tmp/metadata.json",
        "src",
    )


def test_caches():
    request = replace(REQUEST, cache_from=("r/c:one", "r/c:two"), cache_to="r/c:one")
    words = argv(request)
    assert "--cache-from=type=registry,ref=r/c:one" in words
    assert "--cache-from=type=registry,ref=r/c:two" in words
    (cache_to,) = [word for word in words if word.startswith("--cache-to")]
    for needed in ("type=registry", "ref=r/c:one", "mode=max", "image-manifest=true", "oci-mediatypes=true"):
        assert needed in cache_to.removeprefix("--cache-to=").split(",")


def test_a_lost_cache_loses_no_image():
    (cache_to,) = [word for word in argv(replace(REQUEST, cache_to="r/c:x")) if word.startswith("--cache-to")]
    assert "ignore-error=true" in cache_to


def test_secrets_are_named_and_never_contained(tmp_path):
    secret = tmp_path / "ca.pem"
    secret.write_text("-----BEGIN")
    words = argv(replace(REQUEST, secrets={"ca": secret}))
    assert f"--secret=id=ca,src={secret}" in words
    assert "BEGIN" not in " ".join(words)


def test_without_a_registry_nothing_is_pushed():
    assert "--output=type=image,push=false" in argv(replace(REQUEST, push_reference=None))


def test_options():
    words = argv(options=BuildOptions(compression="gzip", compression_level=9, provenance=None))
    assert "--provenance=false" in words
    assert "compression=gzip,compression-level=9" in " ".join(words)


def test_packages_are_listed_where_a_generator_is_named():
    words = argv(replace(REQUEST, sbom_generator="localhost:5000/scanner:1@sha256:aa"))
    assert "--attest=type=sbom,generator=localhost:5000/scanner:1@sha256:aa" in words
    assert not any(word.startswith("--attest") for word in argv())


def test_the_builder_names_itself_in_the_provenance_where_there_is_one():
    named = BuildOptions(builder_id="https://dagster.example.org")
    assert "--provenance=mode=max,builder-id=https://dagster.example.org" in argv(options=named)
    assert "--provenance=false" in argv(options=replace(named, provenance=None))


@pytest.mark.parametrize(
    ("builder", "docker_host", "named"),
    [
        (None, None, None),
        ("farm", None, "farm"),
        ("farm", "ssh://arm", "farm"),
        (None, "ssh://arm", "default"),  # and not what `docker buildx use` selected for another engine
    ],
)
def test_the_builder(builder, docker_host, named):
    request = replace(REQUEST, builder=builder, docker_host=docker_host)
    assert [word for word in argv(request) if word.startswith("--builder")] == (
        [f"--builder={named}"] if named else []
    )
    assert inspect_builder_argv(request)[4:] == ((named,) if named else ())


def test_engine_and_logins_come_by_environment():
    request = replace(REQUEST, docker_host="ssh://arm", docker_config=Path("/run/login"))
    environment = docker_environment(request)
    assert environment["DOCKER_HOST"] == "ssh://arm"
    assert environment["DOCKER_CONFIG"] == "/run/login"
    assert not {"DOCKER_HOST", "DOCKER_CONFIG"} & set(docker_environment(REQUEST))
