#!/bin/sh
# Serve the definitions. Runs are containers of their own: each is given, by name, the variables this one has, so that an
# operator sets a variable once, in deployment.env, and a variable that is not set stays unset.
set -eu
names=$(env | sed -n -E 's/^((NIGHTLY|SLACK|AWS|AZURE|HF|COSIGN|DOCKER)_[A-Z0-9_]*)=.*/"\1"/p' | sort -u | paste -s -d , -)
exec dagster api grpc --host "${NIGHTLY_CODE_BIND:-0.0.0.0}" --port "${NIGHTLY_CODE_PORT:-4000}" \
    --module-name nightly_pipeline.definitions --attribute defs --location-name nightly_pipeline \
    --container-context "{\"docker\": {\"env_vars\": [$names]}}"
