#!/bin/sh
# Put the suite's packages into /opt/suite-packages, compiled: the image's user cannot write there, so without this
# every start would compile them anew, which takes many seconds under emulation.
set -eu
# shellcheck source-path=SCRIPTDIR source=package-index.sh
. "$(dirname "$0")/package-index.sh"
PYC_INVALIDATION_MODE=UNCHECKED_HASH /opt/uv/bin/uv pip install --target /opt/suite-packages \
    --python "$(command -v python3)" --only-binary :all: --require-hashes --compile-bytecode --requirement "$1"
# Scripts that point at the build's Python (`python3 -m pytest` is the way in), and uv's own lock.
rm -rf /opt/suite-packages/bin /opt/suite-packages/.lock
