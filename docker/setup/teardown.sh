#!/usr/bin/env bash
# Ends what the set-up of this checkout started: its registries and its dockerd. Packages, images, data and a Docker
# engine that somebody else started stay.
set -euo pipefail
cd "$(dirname "$0")"
. lib/common.sh
. lib/host.sh
. lib/apt.sh
. lib/processes.sh
. lib/engine.sh
. lib/registries.sh
. lib/lock.sh

stop_registries() {
  local name stopped=''
  STEP_STARTED="$(now_ms)"
  for name in ecr acr; do
    if stop_registry "$name"; then stopped="$stopped localhost:$(port_of "$name")"; fi
  done
  if [ -n "$stopped" ]; then
    ok registries "stopped:$stopped (their data stay)"
  else
    ok registries 'left alone: none was started from here'
  fi
}

stop_engine() {
  STEP_STARTED="$(now_ms)"
  if runs_as "$(pid_in "$ENGINE_PID" || true)" dockerd; then
    doing engine 'stopping dockerd (running containers end with it)'
    stop_process "$ENGINE_PID" dockerd 30
    ok engine 'stopped'
  else
    ok engine 'left alone: it was not started from here'
  fi
  rm -f "$ENGINE_LAUNCHER_PID"
}

hold_lock
stop_registries
stop_engine
