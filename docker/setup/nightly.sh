#!/usr/bin/env bash
# The set-up, then tonight's night with the local profile; options are those of `nightly run`. Unlike make, which knows
# no other failure than 2, this ends with nightly's own exit status: what a cron entry or a script wants.
set -euo pipefail
cd "$(dirname "$0")/../.."
docker/setup/setup.sh
exec .venv/bin/nightly run --profile local "$@"
