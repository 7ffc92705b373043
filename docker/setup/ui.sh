#!/usr/bin/env bash
# The Dagster pages of this checkout: webserver and daemon on 127.0.0.1, in the foreground, both ended by Ctrl-C. A run
# that is under way goes on to its end; code servers without one end by themselves within a minute.
# NIGHTLY_UI_PORT (3000) and NIGHTLY_UI_DEADLINE (120 seconds until the page answers) can be set.
set -euo pipefail
cd "$(dirname "$0")"
. lib/common.sh
. lib/host.sh
. lib/registries.sh

UI_HOST=127.0.0.1
UI_PORT="${NIGHTLY_UI_PORT:-3000}"
UI_DEADLINE="${NIGHTLY_UI_DEADLINE:-120}"
BIN="$PROJECT_ROOT/.venv/bin"
WEBSERVER=''
DAEMON=''

page_answers() { curl -s -f -m 5 -o /dev/null "http://$UI_HOST:$UI_PORT/server_info"; }

require_free_port() {
  is_port_taken "$UI_PORT" "$UI_HOST" || return 0
  cannot ui "port $UI_PORT is taken by $(holder_of "$UI_PORT")" 'End that process, or choose another port: NIGHTLY_UI_PORT=3001 make ui'
}

# Where Dagster's records are: by dagster.yaml of the project's root, or, where NIGHTLY_HOME moves the state, by the one
# that the command line writes there.
dagster_home() {
  case "$NIGHTLY_HOME" in
    "$PROJECT_ROOT/.nightly") printf '%s\n' "$PROJECT_ROOT" ;;
    *) printf '%s\n' "$NIGHTLY_HOME/dagster_home" ;;
  esac
}

# Several processes that create the same new database trip over each other; one that does it first avoids that.
prepare_instance() {
  "$BIN/nightly" status --limit 1 >"$HOST_DIR/instance.log" 2>&1 ||
    { tail -n 15 "$HOST_DIR/instance.log" >&3 && cannot ui 'the Dagster instance cannot be opened' "Whole log: $HOST_DIR/instance.log"; }
}

# Each gets a process group of its own (set -m), so that Ctrl-C reaches this script alone, and no run under way.
start_both() {
  set -m
  "$BIN/dagster-webserver" -w workspace.yaml -h "$UI_HOST" -p "$UI_PORT" >"$HOST_DIR/webserver.log" 2>&1 </dev/null 3>&- &
  WEBSERVER=$!
  "$BIN/dagster-daemon" run -w workspace.yaml >"$HOST_DIR/daemon.log" 2>&1 </dev/null 3>&- &
  DAEMON=$!
  set +m
}

is_alive() { kill -0 "$1" 2>/dev/null; }
both_alive() { is_alive "$WEBSERVER" && is_alive "$DAEMON"; }
both_gone() { ! is_alive "$WEBSERVER" && ! is_alive "$DAEMON"; }
answered_or_died() { page_answers || ! both_alive; }

stop_both() {
  trap '' INT TERM
  [ -n "$WEBSERVER" ] || return 0
  kill -TERM "$WEBSERVER" "$DAEMON" 2>/dev/null || true
  wait_until 20 both_gone || kill -KILL "$WEBSERVER" "$DAEMON" 2>/dev/null || true
}

# end_by_person: Ctrl-C is how this is meant to end
end_by_person() {
  stop_both
  ok ui 'webserver and daemon ended'
  exit 0
}

give_up() {
  local name=webserver
  is_alive "$DAEMON" || name=daemon
  tail -n 15 "$HOST_DIR/$name.log" >&3
  stop_both
  cannot ui "$1" "Whole logs: $HOST_DIR/webserver.log and daemon.log"
}

main() {
  require_free_port
  [ -x "$BIN/dagster-webserver" ] || cannot ui 'the Python environment is missing' 'Make it: docker/setup/setup.sh python'
  cd "$PROJECT_ROOT"
  export NIGHTLY_HOME
  DAGSTER_HOME="$(dagster_home)"
  export DAGSTER_HOME
  doing ui 'starting webserver and daemon'
  prepare_instance
  trap end_by_person INT TERM
  start_both
  wait_until "$UI_DEADLINE" answered_or_died || give_up "no page within $UI_DEADLINE s"
  both_alive || give_up 'it ended while starting'
  ok ui "http://$UI_HOST:$UI_PORT   (Ctrl-C ends it)"
  while both_alive; do sleep 1; done
  give_up 'one of the two has ended'
}

main
