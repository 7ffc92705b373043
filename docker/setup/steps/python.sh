#!/usr/bin/env bash
# The project's environment, .venv, from the lock files. NIGHTLY_SETUP_DEV=yes adds the development tools;
# NIGHTLY_PYTHON picks the interpreter. `python.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh
. lib/python.sh

DEV="${NIGHTLY_SETUP_DEV:-no}"

missing_python_packages() {
  has_apt || return 0
  environment_is_current "$DEV" || python_packages
}

require_locks() {
  local lock
  while IFS= read -r lock; do
    [ -s "$lock" ] || cannot python "$(basename "$lock") is missing" "Take it from the repository: git checkout -- $(basename "$lock")"
  done < <(wanted_locks "$DEV")
}

# keep_development_tools: an environment that has them keeps them
keep_development_tools() {
  if grep -q '^yes ' "$STAMP" 2>/dev/null && [ -s "$PROJECT_ROOT/requirements-dev.lock" ]; then DEV=yes; fi
}

# An interrupted attempt leaves no stamp, and then the environment is made from the start.
has_same_python() { [ -x "$VENV/bin/uv" ] && grep -qxF "base $1" "$STAMP" 2>/dev/null; }

main() {
  local python identity
  if environment_is_current "$DEV"; then
    ok python ".venv is current ($("$VENV/bin/python" -V))"
    return
  fi
  require_locks
  python="$(find_python)" || cannot python 'no Python 3.11 or newer found' \
    'Install one (package python3 and python3-venv), or name it: NIGHTLY_PYTHON=/path/to/python3'
  can_make_environments "$python" || cannot python "$python has no venv module" 'Install the package python3-venv, then run this again.'
  keep_development_tools
  identity="$("$python" -c 'import sys; print(sys.base_prefix, *sys.version_info[:3])')"
  doing python "filling .venv from the locks ($("$python" -V))"
  has_same_python "$identity" || make_environment "$python"
  rm -f "$STAMP"
  fill_environment "$DEV"
  printf 'base %s\n%s %s\n' "$identity" "$DEV" "$(environment_digest "$DEV")" >"$STAMP"
  ok python ".venv is ready: $("$VENV/bin/python" -V), development tools: $DEV"
}

case "${1:-}" in
  packages) missing_python_packages ;;
  *) main ;;
esac
