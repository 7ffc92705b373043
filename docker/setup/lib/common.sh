# shellcheck shell=bash
# Sourced by every script of the set-up: where things are, how lines are printed, how a step gives up.

SETUP_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PROJECT_ROOT="$(cd "$SETUP_DIR/../.." && pwd)"
NIGHTLY_HOME="${NIGHTLY_HOME:-.nightly}"
case "$NIGHTLY_HOME" in
  /*) ;;
  *) NIGHTLY_HOME="$PROJECT_ROOT/$NIGHTLY_HOME" ;;
esac
HOST_DIR="$NIGHTLY_HOME/host"
# shellcheck disable=SC2034  # read by the files that source this one
ECR_PORT="${NIGHTLY_ECR_PORT:-5000}"
# shellcheck disable=SC2034
ACR_PORT="${NIGHTLY_ACR_PORT:-5001}"
NOT_READY=3

# Descriptor 3 is what the person reads; a step's stdout and stderr go to its log file.
if [ "${NIGHTLY_SETUP_TERMINAL:-}" != 3 ]; then
  exec 3>&1
  export NIGHTLY_SETUP_TERMINAL=3
fi

have() { command -v "$1" >/dev/null 2>&1; }

now_ms() {
  # EPOCHREALTIME came with bash 5; the bash of macOS is older and gets whole seconds.
  if [ -n "${EPOCHREALTIME:-}" ]; then
    local micros="${EPOCHREALTIME/[.,]/}"
    printf '%s' "$((micros / 1000))"
  else
    printf '%s000' "$(date +%s)"
  fi
}

STEP_STARTED="$(now_ms)"

seconds_since() {
  local tenths=$((($(now_ms) - $1 + 50) / 100))
  printf '%d.%d s' "$((tenths / 10))" "$((tenths % 10))"
}

coloured() {
  if [ -z "${NO_COLOR:-}" ] && [ -t 3 ]; then
    printf '\033[%sm%s\033[0m' "$1" "$2"
  else
    printf '%s' "$2"
  fi
}

# line COLOUR WORD STEP TEXT
line() { printf '%s %-11s %s\n' "$(coloured "$1" "$(printf '%-5s' "$2")")" "$3" "$4" >&3; }

ok() { line 32 ok "$1" "$2   $(seconds_since "$STEP_STARTED")"; }
doing() { line 36 .. "$1" "$2"; }
warn() { line 33 warn "$1" "$2"; }

# hint TEXT...: what to do next, under the line that says what is wrong
hint() { printf '                  %s\n' "$@" >&3; }

# cannot STEP WHAT NEXT...: this machine is not ready and the script cannot change that
cannot() {
  line 31 FAIL "$1" "$2"
  shift 2
  hint "$@"
  exit "$NOT_READY"
}

# wait_until SECONDS COMMAND...: true as soon as the command succeeds, false at the deadline
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# sha256_of: the digest of stdin
sha256_of() {
  if have sha256sum; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

mkdir -p "$HOST_DIR"
