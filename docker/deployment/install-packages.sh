#!/bin/sh
# Put the pipeline's packages into a virtual environment of the image's own Python, by hash.
set -eu
# shellcheck source-path=SCRIPTDIR source=../runtime/build/package-index.sh
. /build/package-index.sh
/opt/uv/bin/uv venv --quiet --python "$(command -v python3)" /opt/nightly/.venv
/opt/uv/bin/uv pip install --quiet --python /opt/nightly/.venv/bin/python --require-hashes --compile-bytecode --requirement "$1"
