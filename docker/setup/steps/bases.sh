#!/usr/bin/env bash
# The base image of locally built images, for both platforms, in the local registry: copied from Docker Hub where that
# answers, else made from Debian's packages. NIGHTLY_REFRESH_BASE=1 makes it anew (newer packages);
# NIGHTLY_BASE_FROM=hub|debian picks the way, NIGHTLY_BASE_SOURCE another image to copy (a mirror's).
# Then, on it, the program that lists packages for SBOMs. `bases.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh
. lib/engine.sh
. lib/base.sh
. lib/scanner.sh

wanted() { [ -n "${NIGHTLY_REFRESH_BASE:-}" ] || ! base_is_current; }

missing_base_packages() {
  has_apt && wanted || return 0
  missing_packages mmdebstrap debian-archive-keyring
}

from_hub() {
  case "${NIGHTLY_BASE_FROM:-auto}" in
    hub) return 0 ;;
    debian) return 1 ;;
    *) hub_answers ;;
  esac
}

copy_from_hub() {
  doing bases "copying $HUB_IMAGE, amd64 and arm64"
  publish_base copy "$BASE_DIR"
}

make_from_packages() {
  have mmdebstrap || cannot bases 'Docker Hub does not answer, and this system cannot make a base image by itself' \
    "Reach Docker Hub ($HUB_IMAGE), or push an image with python3 for both platforms:" "  $BASE_IMAGE"
  doing bases 'Docker Hub does not answer: making the base image from Debian packages, amd64 and arm64'
  ROOTFS_DIR="$(mktemp -d)"
  trap 'rm -rf "${ROOTFS_DIR:?}"' EXIT
  make_rootfses "$ROOTFS_DIR"
  publish_base packages "$ROOTFS_DIR"
}

ensure_base() {
  local made="copied from $HUB_IMAGE"
  wanted || { ok bases "already there: $BASE_IMAGE (amd64, arm64)" && return; }
  if from_hub; then
    copy_from_hub
  else
    make_from_packages
    made='made from Debian packages'
  fi
  base_is_current || cannot bases "$BASE_IMAGE is not complete after it was pushed" \
    "Read the log, then repeat: docker/setup/setup.sh bases"
  ok bases "$made: $BASE_IMAGE (amd64, arm64)"
}

case "${1:-}" in
  packages) missing_base_packages ;;
  *)
    ensure_base
    ensure_scanner
    ;;
esac
