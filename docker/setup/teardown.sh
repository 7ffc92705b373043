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
  stop_registry ecr
  stop_registry acr
  ok registries 'stopped; their data stay'
}

stop_engine() {
  if runs_as "$(pid_in "$ENGINE_PID" || true)" dockerd; then
    doing engine 'stopping dockerd (running containers end with it)'
    stop_process "$ENGINE_PID" dockerd 30
    ok engine 'stopped'
  else
    ok engine 'left alone: it was not started from here'
  fi
  rm -f "$HOST_DIR/dockerd.launcher.pid"
}

hold_lock
stop_registries
stop_engine
