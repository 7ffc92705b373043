# shellcheck shell=bash
# Background processes that outlive the script: started detached, found again by their pid files.

# process_gone PID: a zombie counts as gone; where nobody collects them (a container without init) they stay for ever
process_gone() { [ ! -d "/proc/$1" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

# runs_as PID NAME: whether that process lives and is that program (a pid may have gone to another one since)
runs_as() {
  [ -n "$1" ] && ! process_gone "$1" && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$(printf '%.15s' "$2")" ]
}

pid_in() { [ -r "$1" ] && head -n 1 "$1" | tr -cd '0-9'; }

# is_running PIDFILE NAME
is_running() { runs_as "$(pid_in "$1" || true)" "$2"; }

# start_detached LOG PIDFILE COMMAND...: a session of its own, so that Ctrl-C and the end of a terminal pass it by
start_detached() {
  local log="$1" pid_file="$2"
  shift 2
  [ ! -s "$log" ] || mv -f "$log" "$log.1"
  # Descriptors 3 (terminal) and 9 (lock) must not live on in the daemon: a pipe's reader would wait for ever.
  (cd / && exec setsid nohup "$@" </dev/null >"$log" 2>&1 3>&- 9>&-) &
  printf '%s\n' "$!" >"$pid_file"
}

# stop_process PIDFILE NAME SECONDS: asks, waits, then insists; the pid file goes too
stop_process() {
  local pid
  pid="$(pid_in "$1" || true)"
  if runs_as "$pid" "$2"; then
    as_root kill -TERM "$pid"
    wait_until "$3" process_gone "$pid" || as_root kill -KILL "$pid"
  fi
  rm -f "$1"
}
