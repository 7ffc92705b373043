"""The command lines of `docker buildx`, as pure functions of what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nightly_pipeline.model.requests import BuildRequest


@dataclass(frozen=True)
class BuildOptions:
    """What is the same for every image.

    Attributes:
        compression: how layers are compressed in the registry: zstd or gzip. Layers of the base image stay as
            they are.
        compression_level: 1 is fast; 22 (zstd) or 9 (gzip) is small.
        provenance: BuildKit's provenance attestation: `mode=max`, `mode=min`, or None for none.
        builder_id: who builds, in the provenance: an address.
    """

    compression: str = "zstd"
    compression_level: int = 1
    provenance: str | None = "mode=max"
    builder_id: str | None = None


def build_argv(request: BuildRequest, options: BuildOptions, *, metadata_file: Path) -> tuple[str, ...]:
    """`docker buildx build` for one image. The same request always makes the same words in the same order."""
    return (
        *("docker", "buildx", "build", "--progress=rawjson"),
        *builder_arguments(request),
        *(f"--file={request.dockerfile}", f"--target={request.target}", f"--platform={request.platform}"),
        # BuildKit then names the platform of every step, also of a build for one platform: without it, a step
        # that was cross-compiled could not be told from one that was emulated.
        "--build-arg=BUILDKIT_MULTI_PLATFORM=1",
        *(f"--build-arg={name}={value}" for name, value in sorted(request.build_args.items())),
        *(f"--label={name}={value}" for name, value in sorted(request.labels.items())),
        *(f"--secret=id={name},src={path}" for name, path in sorted(request.secrets.items())),
        *(f"--cache-from=type=registry,ref={reference}" for reference in request.cache_from),
        *_cache_to(request.cache_to, options),
        f"--provenance={_provenance(options)}",
        *([f"--attest=type=sbom,generator={request.sbom_generator}"] if request.sbom_generator else []),
        f"--output={_output(request.push_reference, options)}",
        f"--metadata-file={metadata_file}",
        str(request.context),
    )


def inspect_builder_argv(request: BuildRequest) -> tuple[str, ...]:
    """Ask the builder for its nodes; one that is set up but not started is started."""
    name = _builder(request)
    return ("docker", "buildx", "inspect", "--bootstrap", *([name] if name else []))


def docker_environment(request: BuildRequest) -> dict[str, str | None]:
    """Where docker finds the engine and the logins."""
    variables: dict[str, str | None] = {"DOCKER_CLI_HINTS": "false"}
    if request.docker_host:
        variables["DOCKER_HOST"] = request.docker_host
    if request.docker_config:
        variables["DOCKER_CONFIG"] = str(request.docker_config)
    return variables


def builder_arguments(request: BuildRequest) -> tuple[str, ...]:
    """Which builder to use."""
    name = _builder(request)
    return (f"--builder={name}",) if name else ()


def _builder(request: BuildRequest) -> str | None:
    # With an engine named and no builder, that engine's own one, whatever `docker buildx use` selected.
    return request.builder or ("default" if request.docker_host else None)


def _output(push_reference: str | None, options: BuildOptions) -> str:
    if push_reference is None:
        return "type=image,push=false"
    # `push=` without a value is "push" to BuildKit, which moves the tag once, when everything is there. With
    # `push=true` buildx pushes again through the engine, which moves the tag to each child on the way: an
    # immutable tag cannot take that. `store=false`: this engine may never run the image, so why unpack it.
    return f"type=image,name={push_reference},push=,store=false,{_compression(options)}"


def _provenance(options: BuildOptions) -> str:
    if options.provenance is None:
        return "false"
    return ",".join(
        [options.provenance, *([f"builder-id={options.builder_id}"] if options.builder_id else [])]
    )


def _cache_to(reference: str | None, options: BuildOptions) -> tuple[str, ...]:
    if reference is None:
        return ()
    # `ignore-error`: the cache saves time, and an image is not lost for want of it.
    # `image-manifest`: ECR refuses BuildKit's own kind of index.
    export = f"type=registry,ref={reference},mode=max,image-manifest=true,ignore-error=true"
    return (f"--cache-to={export},{_compression(options)}",)


def _compression(options: BuildOptions) -> str:
    return (
        f"compression={options.compression},compression-level={options.compression_level},oci-mediatypes=true"
    )
