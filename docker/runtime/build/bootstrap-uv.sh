#!/bin/sh
# Put uv into /opt/uv/bin, with what the base image has: pip, Python's own ensurepip, or its package manager.
# Its version and hashes are those of uv.lock beside this file.
set -eu
here=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR source=package-index.sh
. "$here/package-index.sh"

python3 --version >/dev/null || { echo "the base image has no python3" >&2; exit 69; }

if ! python3 -m pip --version >/dev/null 2>&1; then
    if ! python3 -m venv --help >/dev/null 2>&1 || ! python3 -c 'import ensurepip' 2>/dev/null; then
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv
    fi
    python3 -m venv /tmp/bootstrap
    PATH=/tmp/bootstrap/bin:$PATH
fi

python3 -m pip install --quiet --target /opt/uv --only-binary :all: --require-hashes --requirement "$here/uv.lock"
rm -rf /tmp/bootstrap
/opt/uv/bin/uv --version
