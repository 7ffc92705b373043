#!/usr/bin/env bash
# The program that signs images, for the tests of it: cosign, where the distribution has it as a package. Elsewhere those
# tests are left out. `signing.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh

# Debian has it since 13. Whether this Ubuntu does, its package lists say.
cosign_package() {
  case "$(distribution)-$(codename)" in
    debian-bookworm) echo cosign/trixie ;;
    debian-*) echo cosign ;;
    *) [ -z "$(apt-cache show --no-all-versions cosign 2>/dev/null)" ] || echo cosign ;;
  esac
}

main() {
  if have cosign; then
    ok signing "cosign found: $(command -v cosign)"
  else
    warn signing 'no cosign found, and no package of it: the tests of signing are left out'
  fi
}

case "${1:-}" in
  packages) have cosign || ! has_apt || cosign_package ;;
  *) main ;;
esac
