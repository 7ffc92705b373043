#!/usr/bin/env bash
# The one linter that is no Python package: shellcheck. `linters.sh packages` prints what would have to be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. lib/common.sh
. lib/host.sh
. lib/apt.sh

main() {
  have shellcheck || cannot linters 'no shellcheck found' 'Install the package shellcheck, then run this again.'
  ok linters "shellcheck $(shellcheck --version | sed -n 's/^version: //p')"
}

case "${1:-}" in
  packages) have shellcheck || ! has_apt || missing_packages shellcheck ;;
  *) main ;;
esac
