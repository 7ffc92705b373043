# shellcheck shell=bash
# The project's Python environment. Needs common.sh, host.sh and apt.sh.

VENV="$PROJECT_ROOT/.venv"
STAMP="$VENV/nightly-setup.stamp"
UV_LOCK="$SETUP_DIR/uv.lock"
BUILD_LOCK="$SETUP_DIR/build.lock"

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make_environments() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

# find_python: the first interpreter of 3.11 or newer; false when there is none
find_python() {
  local name
  for name in "${NIGHTLY_PYTHON:-python3}" python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if have "$name" && is_new_enough "$name"; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}

# python_packages: what Debian and Ubuntu keep apart from the interpreter, or a newer interpreter where theirs is too old
python_packages() {
  local python version
  if ! python="$(find_python)"; then
    case "$(codename)" in
      jammy) printf 'python3.11\npython3.11-venv\n' ;;
      *) printf 'python3\npython3-venv\n' ;;
    esac
  elif ! can_make_environments "$python"; then
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    missing_packages "python$version-venv"
  fi
}

# wanted_locks yes|no: the lock files of an environment with or without the development tools
wanted_locks() {
  if [ "$1" = yes ]; then
    printf '%s\n' "$PROJECT_ROOT/requirements-dev.lock"
  fi
  printf '%s\n' "$PROJECT_ROOT/requirements.lock"
}

# environment_digest yes|no: changes with everything that decides what .venv holds
environment_digest() {
  local lock
  {
    printf '%s\n' "$VENV"
    "$VENV/bin/python" -V
    cat "$PROJECT_ROOT/pyproject.toml" "$UV_LOCK" "$BUILD_LOCK"
    while IFS= read -r lock; do cat "$lock"; done < <(wanted_locks "$1")
  } 2>/dev/null | sha256_of
}

# environment_is_current yes|no: an environment with development tools serves without, too
environment_is_current() {
  [ -x "$VENV/bin/python" ] && [ -x "$VENV/bin/nightly" ] && [ -r "$STAMP" ] || return 1
  grep -qxF "yes $(environment_digest yes)" "$STAMP" && return 0
  [ "$1" = no ] && grep -qxF "no $(environment_digest no)" "$STAMP"
}

pip_setting() { printf '%s\n' "$1" | sed -nE "s/^(global|install|:env:)\.$2='(.*)'\$/\2/p" | tail -n 1; }

# pass_on_pip_settings: where pip was told of an index, uv hears of it, through the environment only
pass_on_pip_settings() {
  local settings index extra links certificate
  settings="$("$VENV/bin/python" -m pip config list 2>/dev/null || true)"
  index="$(pip_setting "$settings" index-url)"
  extra="$(pip_setting "$settings" extra-index-url)"
  links="$(pip_setting "$settings" find-links)"
  certificate="$(pip_setting "$settings" cert)"
  [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
  [ -z "$links" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-${links// /,}}"
  [ -z "$certificate" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificate}"
  # pip looks everywhere and takes what fits; every file is checked against the lock's hashes either way.
  [ -z "$extra" ] || export UV_INDEX="${UV_INDEX:-$extra}" UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
}

uv_pip() { "$VENV/bin/uv" --no-progress pip "$@" --python "$VENV/bin/python"; }

make_environment() {
  "$1" -m venv --clear "$VENV"
  "$VENV/bin/python" -m pip install --no-input --disable-pip-version-check --require-hashes --only-binary :all: -r "$UV_LOCK"
}

# fill_environment yes|no
fill_environment() {
  local lock locks=()
  while IFS= read -r lock; do locks+=("$lock"); done < <(wanted_locks "$1")
  pass_on_pip_settings
  # uv and pip belong to no lock of the project: uv's own file keeps it in place.
  uv_pip sync --require-hashes --compile-bytecode "${locks[@]}" "$UV_LOCK"
  uv_pip install --no-deps --build-constraints "$BUILD_LOCK" --editable "$PROJECT_ROOT"
}
