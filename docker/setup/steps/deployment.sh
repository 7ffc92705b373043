#!/usr/bin/env bash
# What the tests of the deployment need: docker compose, and Postgres' programs (no service of it is started).
# `deployment.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh

has_compose() { docker compose version >/dev/null 2>&1; }
postgres_programs() { find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort | tail -n 1; }
has_postgres() { have initdb || [ -n "$(postgres_programs)" ]; }

# Debian 12's docker-compose is the old one, a program of its own.
compose_package() { if [ "$(distribution)" = ubuntu ]; then echo docker-compose-v2; else echo docker-compose/trixie; fi; }

missing_deployment_packages() {
  has_apt || return 0
  has_compose || compose_package
  has_postgres || missing_packages postgresql
}

main() {
  has_compose || cannot deployment 'no docker compose found' "Install Docker's compose plugin, then run this again."
  has_postgres || cannot deployment "no Postgres programs found" 'Install the package postgresql, then run this again.'
  ok deployment "docker compose $(docker compose version --short), Postgres $(basename "$(dirname "$(postgres_programs)")")"
}

case "${1:-}" in
  packages) missing_deployment_packages ;;
  *) main ;;
esac
