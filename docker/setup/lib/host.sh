# shellcheck shell=bash
# What machine this is, and how to act as root on it.

os_field() { [ -r /etc/os-release ] && (. /etc/os-release && eval "printf '%s' \"\${$1:-}\""); }

# distribution: debian, ubuntu (derivatives included), or other
distribution() {
  [ "$(uname -s)" = Linux ] || { printf 'other' && return; }
  case " $(os_field ID) $(os_field ID_LIKE) " in
    *" ubuntu "*) printf 'ubuntu' ;;
    " debian "*) printf 'debian' ;;
    *) printf 'other' ;;
  esac
}

codename() { os_field VERSION_CODENAME; }

# machine_platform: the native platform in Docker's words
machine_platform() {
  case "$(uname -m)" in
    x86_64 | amd64) printf 'linux/amd64' ;;
    aarch64 | arm64) printf 'linux/arm64' ;;
    *) printf 'linux/%s' "$(uname -m)" ;;
  esac
}

has_systemd() { [ -d /run/systemd/system ]; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# can_be_root: root already, or sudo that works without asking, or sudo with somebody there to ask
can_be_root() {
  is_root && return 0
  have sudo || return 1
  sudo -n true 2>/dev/null || has_terminal
}

# sudo asks on the terminal itself, so it does not matter where stdin comes from.
has_terminal() { { : </dev/tty; } 2>/dev/null; }

as_root() {
  if is_root; then "$@"; else sudo -- "$@"; fi
}
