#!/usr/bin/env bash
# Makes this machine ready for a night. Safe to repeat: what is there already is used.
#
#   docker/setup/setup.sh [--dev] [STEP...]
#
# Steps: python engine emulation registries bases (all of them when none is named); with --dev also browser, linters,
# deployment and signing.
# --dev       the development tools too: what the tests and the linters need
# NIGHTLY_HOME, NIGHTLY_ECR_PORT, NIGHTLY_ACR_PORT, NIGHTLY_PYTHON, NO_COLOR and the heads of steps/*.sh say what can be
# set. Exit status: 0 ready, 2 wrong usage, 3 something cannot be set up here.
set -euo pipefail
cd "$(dirname "$0")"
. lib/common.sh
. lib/host.sh
. lib/apt.sh
. lib/lock.sh

ORDER='python engine emulation registries bases browser linters deployment signing'
STEPS=''

usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' setup.sh >&3
  exit "$1"
}

is_step() { case " $ORDER " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

read_arguments() {
  local argument
  for argument in "$@"; do
    case "$argument" in
      --dev) export NIGHTLY_SETUP_DEV=yes ;;
      -h | --help) usage 0 ;;
      *)
        is_step "$argument" || { line 31 FAIL set-up "no such step: $argument" && hint "Steps: $ORDER" && exit 2; }
        STEPS="$STEPS $argument"
        ;;
    esac
  done
  [ -z "$STEPS" ] || return 0
  STEPS='python engine emulation registries bases'
  [ "${NIGHTLY_SETUP_DEV:-no}" = no ] || STEPS="$ORDER"
}

wants() { case " $STEPS " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# run_step NAME: its output goes to its log, its one line to the terminal
run_step() {
  local log="$HOST_DIR/$1.log" status=0
  printf '== %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$log"
  bash "steps/$1.sh" >>"$log" 2>&1 </dev/null || status=$?
  case "$status" in
    0 | "$NOT_READY") return "$status" ;;
  esac
  explain_failure "$1" "$log"
}

# explain_failure NAME LOG: for what no step foresaw
explain_failure() {
  line 31 FAIL "$1" 'the last lines of its log:'
  tail -n 15 "$2" | sed 's/^/                  /' >&3
  hint "Whole log: $2" "When that is mended, repeat: docker/setup/setup.sh $1"
  return "$NOT_READY"
}

missing_packages_of_steps() {
  local name
  for name in $ORDER; do
    if wants "$name"; then bash "steps/$name.sh" packages 2>>"$HOST_DIR/$name.log"; fi
  done | sort -u
}

# install_missing NAME...: one install for all steps
install_missing() {
  [ $# -gt 0 ] || return 0
  can_be_root || cannot packages 'packages are missing, and installing them needs root' "Ask for: apt-get install $*"
  STEP_STARTED="$(now_ms)"
  doing packages "installing $*"
  install_packages "$@" >>"$HOST_DIR/packages.log" 2>&1 </dev/null || explain_failure packages "$HOST_DIR/packages.log" || exit
  export NIGHTLY_SETUP_INSTALLED="$*"
  ok packages "installed"
}

# The environment shares nothing with the other steps, so it is filled beside them.
start_python() { run_step python & PYTHON_JOB=$!; }

main() {
  local name missing status=0 began
  began="$(now_ms)"
  PYTHON_JOB=''
  read_arguments "$@"
  hold_lock
  missing="$(missing_packages_of_steps)"
  case "$missing" in *python*) ;; *) ! wants python || start_python ;; esac
  # shellcheck disable=SC2086  # one word a package
  install_missing $missing
  if wants python && [ -z "$PYTHON_JOB" ]; then start_python; fi
  for name in engine emulation registries bases; do
    if [ "$status" -eq 0 ] && wants "$name"; then run_step "$name" || status=$?; fi
  done
  [ -z "$PYTHON_JOB" ] || wait "$PYTHON_JOB" || status=$?
  for name in browser linters deployment signing; do
    if [ "$status" -eq 0 ] && wants "$name"; then run_step "$name" || status=$?; fi
  done
  STEP_STARTED="$began"
  [ "$status" -ne 0 ] || ok set-up 'ready'
  exit "$status"
}

main "$@"
