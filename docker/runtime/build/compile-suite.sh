#!/bin/sh
# Compile the suite and, by collecting it once, the test files as pytest rewrites them (a cache of its own kind).
# Fails the build when the suite does not collect.
set -eu
python3 -m compileall -q --invalidation-mode unchecked-hash /opt/suite

fields=framework_version,engine_kind,engine_version,cuda_version,torch_backend,platform,base
python3 - "framework,$fields" > /tmp/image.json <<'EOF'
import json, sys
print(json.dumps(dict.fromkeys(sys.argv[1].split(","), "any")))
EOF

PYTHONPATH=/opt/suite-packages NIGHTLY_IMAGE_FILE=/tmp/image.json \
    python3 -m pytest --collect-only -q /opt/suite >/tmp/collected 2>&1 || { cat /tmp/collected >&2; exit 1; }
tail -n 1 /tmp/collected
