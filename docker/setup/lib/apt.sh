# shellcheck shell=bash
# Debian packages: which are missing, and one install for all of them. Needs common.sh and host.sh.

POLICY=/usr/sbin/policy-rc.d
SUITE_FILE=/etc/apt/sources.list.d/nightly-trixie.sources
PIN_FILE=/etc/apt/preferences.d/nightly-trixie

has_apt() { [ "$(distribution)" != other ] && have apt-get; }

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# missing_packages NAME...: those that are not installed, one a line
missing_packages() {
  local name
  for name in "$@"; do
    is_installed "${name%%/*}" || printf '%s\n' "$name"
  done
}

# mirror_of SUITE: the address that this machine's own sources give for a suite; false when they have none
mirror_of() {
  local addresses
  addresses="$(apt-get --print-uris update 2>/dev/null |
    sed -n "s|^'\(.*/debian[^/]*\)/dists/$1/InRelease'.*|\1|p")"
  [ -n "$addresses" ] || return 1
  printf '%s\n' "${addresses%%$'\n'*}"
}

# add_newer_suite: Debian 12 has no engine with an image store for several platforms, Debian 13 has.
# The low priority means that nothing comes from there unless it is asked for by name.
add_newer_suite() {
  local mirror
  mirror="$(mirror_of trixie)" && return 0
  mirror="$(mirror_of "$(codename)")" || return 1
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' \
    "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg | as_root tee "$SUITE_FILE" >/dev/null
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 50\n' | as_root tee "$PIN_FILE" >/dev/null
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

update_lists() {
  # Lock::Timeout does not cover the lists, which a freshly started machine may be updating by itself.
  local attempt
  for attempt in 1 2 3 4 5 6; do
    apt_get update && return 0
    echo "apt-get update failed (attempt $attempt)"
    sleep 5
  done
  return 1
}

# without_services COMMAND...: services are started by the steps, when their configuration is in place, and not by the
# packages. A policy that is there already stays.
without_services() {
  local status=0
  if [ -e "$POLICY" ]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
  as_root chmod 755 "$POLICY"
  trap 'as_root rm -f "$POLICY"' EXIT
  "$@" || status=$?
  as_root rm -f "$POLICY"
  trap - EXIT
  return "$status"
}

# was_installed_now NAME: this call of the set-up installed it, so nobody has come to rely on it yet
was_installed_now() { case " ${NIGHTLY_SETUP_INSTALLED:-} " in *" $1 "* | *" $1/"*) return 0 ;; *) return 1 ;; esac; }

# install_packages NAME[/SUITE]...
install_packages() {
  case " $* " in *"/trixie "*) add_newer_suite || return 1 ;; esac
  update_lists || return 1
  without_services apt_get install --no-install-recommends --no-remove "$@"
}
