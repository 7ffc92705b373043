#!/usr/bin/env bash
# A Docker engine with buildx. One that already answers is used as it is; its configuration is never touched.
# `engine.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh
. lib/processes.sh
. lib/engine.sh

missing_engine_packages() {
  has_apt || return 0
  engine_answers && has_buildx && return 0
  is_denied && return 0
  if ! have dockerd || ! has_buildx; then engine_packages; fi
  is_root || missing_packages acl
}

give_up_uninstalled() {
  case "$(uname -s)" in
    Darwin) cannot engine 'no Docker engine answers' 'Start Docker Desktop (or OrbStack, Colima), or install one of them, then run this again.' ;;
    *) cannot engine "no Docker engine, and none is installed automatically on this system ($(os_field PRETTY_NAME))" \
      'Install Docker Engine 26 or newer with the buildx plugin, start it, then run this again.' ;;
  esac
}

give_up_unprivileged() {
  cannot engine 'no Docker engine answers, and starting one needs root' \
    'Run this again as root or with sudo at hand, or ask for a running engine (membership of the group docker).'
}

give_up_denied() {
  cannot engine 'the Docker engine refuses this user' \
    "Join its group: sudo usermod -aG docker $(id -un)   then log in again and repeat."
}

give_up_dead() {
  if has_systemd; then
    cannot engine 'the Docker engine does not start' 'Its log: journalctl -u docker --since -5min'
  fi
  tail -n 10 "$ENGINE_LOG" | sed 's/^/                  /' >&3 2>/dev/null || true
  cannot engine 'the Docker engine does not start' "Whole log: $ENGINE_LOG" \
    'Inside a container, dockerd needs --privileged; on a host, try: sudo dockerd --debug'
}

start_engine() {
  if has_systemd; then start_with_systemd "$1"; else start_in_background; fi
  wait_until 60 engine_settled || give_up_dead
  engine_socket_ready || give_up_dead
}

# engine_settled: it answers, or the process that we started has ended
engine_settled() {
  engine_socket_ready && return 0
  ! has_systemd && process_gone "$(pid_in "$ENGINE_LAUNCHER_PID")"
}

engine_socket_ready() {
  engine_answers && return 0
  is_denied && grant_access && engine_answers
}

require_buildx() {
  has_buildx && return 0
  cannot engine "$(engine_summary) has no buildx plugin" \
    'Install the package docker-buildx (Debian, Ubuntu) or docker-buildx-plugin (Docker), then run this again.'
}

# is_ours: started from here, by means of sudo
is_ours() { is_running "$ENGINE_PID" dockerd && can_be_root; }

describe() {
  ok engine "$1: $(engine_summary)"
  has_containerd_store || warn engine 'classic image store: images of several platforms are built one platform at a time'
}

main() {
  local fresh=''
  if was_installed_now docker.io; then fresh=fresh; fi
  if engine_answers; then
    require_buildx
    describe 'already running'
    return
  fi
  if is_denied; then
    is_ours || give_up_denied
    grant_access
    describe 'already running, and now open to this user'
    return
  fi
  have dockerd || give_up_uninstalled
  can_be_root || give_up_unprivileged
  doing engine 'starting dockerd'
  start_engine "$fresh"
  require_buildx
  describe 'started'
}

case "${1:-}" in
  packages) missing_engine_packages ;;
  *) main ;;
esac
