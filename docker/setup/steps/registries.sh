#!/usr/bin/env bash
# Two registries on this machine, one in ECR's role and one in ACR's. A registry that already answers is used.
# `registries.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh
. lib/processes.sh
. lib/registries.sh

missing_registry_packages() {
  has_apt || return 0
  have "$REGISTRY_PROGRAM" || missing_packages docker-registry
  have curl || printf 'curl\nca-certificates\n'
}

refuse_port() {
  cannot registries "port $2 ($(role_of "$1")'s role) is held by something that is no registry: $(holder_of "$2")" \
    'End that process, or choose another port:' \
    "NIGHTLY_$(printf '%s' "$1" | tr '[:lower:]' '[:upper:]')_PORT=$(($2 + 100)) (the profile must name it too)"
}

give_up() {
  local log="$REGISTRIES_DIR/$1/registry.log"
  tail -n 10 "$log" >&3 2>/dev/null || true
  cannot registries "the registry on port $(port_of "$1") does not answer" "Its log: $log"
}

# ensure NAME: sets SAID to what was found or done
ensure() {
  local port
  port="$(port_of "$1")"
  SAID='already running'
  is_registry "$port" && return 0
  ! is_port_taken "$port" || refuse_port "$1" "$port"
  SAID=started
  if have "$REGISTRY_PROGRAM"; then start_program "$1"; else start_container "$1"; fi
  wait_until 15 is_registry "$port" || give_up "$1"
}

# The package brings a service of its own on port 5000; it was not started, and must not be at the next boot.
disable_packaged_service() {
  was_installed_now docker-registry && have systemctl || return 0
  as_root systemctl disable docker-registry || true
}

main() {
  local ecr
  disable_packaged_service
  ensure ecr
  ecr="$SAID"
  ensure acr
  ok registries "localhost:$ECR_PORT (ECR) $ecr, localhost:$ACR_PORT (ACR) $SAID"
}

case "${1:-}" in
  packages) missing_registry_packages ;;
  *) main ;;
esac
