# shellcheck shell=bash
# One set-up at a time on a machine, whichever checkout it comes from. Needs common.sh.

lock_file() {
  if [ -d /run/lock ] && [ -w /run/lock ]; then
    printf '/run/lock/nightly-setup.lock'
  else
    printf '%s/setup.lock' "$HOST_DIR"
  fi
}

# hold_lock: waits for another set-up to end; the lock goes when the script does, however it ends
hold_lock() {
  local file
  have flock || return 0
  file="$(lock_file)"
  [ -e "$file" ] || : >"$file"
  exec 9<"$file"
  flock -n 9 && return 0
  doing set-up 'waiting for another set-up on this machine to end'
  flock -w 1200 9 || cannot set-up 'another set-up has been running for 20 minutes' "It holds $file: see fuser -v $file"
}
