#!/bin/sh
# Complete a runtime base for a real engine: Python (NVIDIA's CUDA runtime images have none), and a C compiler with
# Python's headers, because Triton and torch.compile build small launchers while the engine serves.
# Looks for files, not for packages: a base may have them without its package manager knowing.
set -eu

missing=
needs() { # PACKAGE FILE...: note the package unless one of the files is there
    package=$1
    shift
    for file in "$@"; do
        [ ! -e "$file" ] || return 0
    done
    missing="$missing $package"
}
needs python3 /usr/bin/python3 /usr/local/bin/python3
needs python3-dev /usr/include/python3*/Python.h /usr/local/include/python3*/Python.h
needs gcc /usr/bin/gcc /usr/local/bin/gcc
needs libc6-dev /usr/include/stdlib.h
needs ca-certificates /etc/ssl/certs/ca-certificates.crt

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "warning: the runtime base lacks$missing and has no apt-get; the unit tests of a real engine will say so" >&2
    exit 0
fi
apt-get update -q
# A list of names.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
rm -rf /var/lib/apt/lists/*
