#!/bin/sh
# Make /opt/engine: an environment of the base's Python with ENGINE_REQUIREMENT installed for TARGETARCH.
# It runs on the build platform whatever the target is: only files for the target are put there, none is executed.
#
#   ENGINE_KIND=real   wheels only: nothing is compiled, so nothing would have to be emulated
#   TORCH_BACKEND      cu128, cu129, ...: PyTorch built for that CUDA, from PyTorch's own index;
#                      empty or `index`: the PyTorch that the package index has
set -eu
# shellcheck source-path=SCRIPTDIR source=package-index.sh
. "$(dirname "$0")/package-index.sh"
uv=/opt/uv/bin/uv

case "$TARGETARCH" in
    amd64) machine=x86_64 ;;
    arm64) machine=aarch64 ;;
    *) echo "no wheels are known for $TARGETARCH" >&2; exit 64 ;;
esac

set -- --python /opt/engine/bin/python3 --python-platform "$machine-manylinux_2_34"
if [ "$ENGINE_KIND" = real ]; then
    # Gigabytes: unpacked once, into the layer itself, and linked. From a cache mount they would be copied, and the
    # mount would keep them a second time for each framework and architecture.
    export UV_CACHE_DIR=/opt/engine-unpacked UV_LINK_MODE=hardlink
    # Not compiled: a server imports a fifth of it, and compiles that at its first start (see the runtime stage).
    set -- "$@" --only-binary :all:
    case "${TORCH_BACKEND:-index}" in
        index) ;;
        *) set -- "$@" --torch-backend "$TORCH_BACKEND" ;;
    esac
else
    set -- "$@" --compile-bytecode
fi

"$uv" venv --quiet --no-project --python "$(command -v python3)" /opt/engine
PYC_INVALIDATION_MODE=UNCHECKED_HASH "$uv" pip install "$@" "$ENGINE_REQUIREMENT"
rm -rf /opt/engine-unpacked

# What only people at a prompt would use, and the marks of a cache, which this no longer is.
rm -f /opt/engine/bin/activate* /opt/engine/bin/deactivate* /opt/engine/bin/pydoc* \
    /opt/engine/.lock /opt/engine/.gitignore /opt/engine/CACHEDIR.TAG

# The suite's packages come after the engine's: where both have one, the engine keeps its own.
site=$(echo /opt/engine/lib/python3.*/site-packages)
echo /opt/suite-packages > "$site/nightly-suite.pth"
