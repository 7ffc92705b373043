#!/usr/bin/env bash
# arm64 containers on an amd64 machine: QEMU registered with the kernel, with the F flag (the interpreter is opened
# once, so it works inside containers too). `emulation.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh

BINFMT=/proc/sys/fs/binfmt_misc
RULE=/usr/lib/binfmt.d/qemu-aarch64.conf

# registered: some interpreter for aarch64 is enabled and works inside containers
registered() {
  local entry
  for entry in "$BINFMT"/*aarch64* "$BINFMT"/*arm64*; do
    [ -r "$entry" ] || continue
    if grep -q '^enabled' "$entry" && grep -q '^flags:.*F' "$entry"; then return 0; fi
  done
  return 1
}

# Docker Desktop and its like bring their own emulation, inside a machine that cannot be seen from here.
not_needed() { [ "$(machine_platform)" = linux/arm64 ] || [ "$(uname -s)" != Linux ]; }

missing_emulation_packages() {
  has_apt || return 0
  if not_needed || registered || visible_after_mount; then return 0; fi
  have mount || printf 'mount\n'
  missing_packages qemu-user-static
  [ "$(distribution)" = debian ] || missing_packages binfmt-support
}

mount_binfmt() {
  [ -e "$BINFMT/register" ] || as_root mount -t binfmt_misc binfmt_misc "$BINFMT"
}

# Inside a container the kernel may know an interpreter that only a mount makes visible.
visible_after_mount() { can_be_root && mount_binfmt && registered; }

register() {
  mount_binfmt || cannot emulation 'the kernel does not offer binfmt_misc' \
    'Load it (sudo modprobe binfmt_misc), or use a native arm64 builder, then run this again.'
  if ! [ -e "$RULE" ]; then
    as_root update-binfmts --enable qemu-aarch64
  elif has_systemd; then
    as_root systemctl restart systemd-binfmt
  else
    apply_rule
  fi
}

# apply_rule: what systemd would do with the package's rule; one of that name without the F flag gives way
apply_rule() {
  [ ! -e "$BINFMT/qemu-aarch64" ] || echo -1 | as_root tee "$BINFMT/qemu-aarch64" >/dev/null
  grep '^:qemu-aarch64:' "$RULE" | as_root tee "$BINFMT/register" >/dev/null
}

main() {
  if not_needed; then
    ok emulation "not needed: $(uname -s) on $(uname -m) runs linux/arm64 by itself"
    return
  fi
  if registered || visible_after_mount; then
    ok emulation 'already registered: arm64 through QEMU'
    return
  fi
  have update-binfmts || [ -e "$RULE" ] || cannot emulation 'no QEMU for arm64 programs' \
    'Install the packages qemu-user-static and binfmt-support (or their like here), then run this again.'
  register
  registered || cannot emulation 'QEMU is installed but does not register for arm64' \
    "See what is registered: ls $BINFMT"
  ok emulation 'registered: arm64 through QEMU'
}

case "${1:-}" in
  packages) missing_emulation_packages ;;
  *) main ;;
esac
