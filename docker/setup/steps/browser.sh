#!/usr/bin/env bash
# A browser for the tests of the pages. `browser.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh

browser() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" && return 0
  done
  return 1
}

missing_browser_packages() {
  # Ubuntu's package of that name only points to a snap, which needs a running snapd.
  [ "$(distribution)" = debian ] && ! browser >/dev/null || return 0
  missing_packages chromium fonts-dejavu-core
}

main() {
  local python="$PROJECT_ROOT/.venv/bin/python"
  if browser >/dev/null; then
    ok browser "found: $(browser)"
    return
  fi
  [ -x "$python" ] || cannot browser 'no Chromium found' 'Install Chromium or Chrome, then run this again.'
  doing browser "no Chromium found: Playwright fetches its own"
  "$python" -m playwright install chromium ||
    cannot browser 'no Chromium found, and Playwright could not fetch one' 'Install Chromium or Chrome, then run this again.'
  ok browser "Playwright's Chromium"
}

case "${1:-}" in
  packages) missing_browser_packages ;;
  *) main ;;
esac
