# shellcheck shell=bash
# The Docker engine: asking it, installing it, starting it. Needs the other files of lib/.

ENGINE_LOG="$HOST_DIR/dockerd.log"
ENGINE_PID="$HOST_DIR/dockerd.pid"
ENGINE_LAUNCHER_PID="$HOST_DIR/dockerd.launcher.pid"
ENGINE_CONFIG="$HOST_DIR/dockerd.json"
CONTAINERD_PID=/var/run/docker/containerd/containerd.pid

# engine_facts: "version|image store driver status", from the engine itself; false when none answers
engine_facts() {
  have docker || return 1
  timeout_of 20 docker info --format '{{.ServerVersion}}|{{json .DriverStatus}}' 2>/dev/null |
    grep -E '^[0-9]'
}

# timeout_of SECONDS COMMAND...: macOS has no timeout command
timeout_of() {
  if have timeout; then timeout "$@"; else shift && "$@"; fi
}

engine_answers() { engine_facts >/dev/null; }

has_containerd_store() { case "$(engine_facts)" in *io.containerd.snapshotter*) return 0 ;; *) return 1 ;; esac; }

engine_summary() {
  local facts store='classic image store'
  facts="$(engine_facts)" || return 1
  case "$facts" in *io.containerd.snapshotter*) store='containerd image store' ;; esac
  printf 'Docker %s, %s' "${facts%%|*}" "$store"
}

has_buildx() { docker buildx version >/dev/null 2>&1; }

is_denied() { case "$(docker version 2>&1)" in *'permission denied'*) return 0 ;; *) return 1 ;; esac; }

# engine_packages: what has to be installed for an engine on this distribution. An engine from elsewhere (docker-ce, a
# plain binary) is never mixed with the distribution's.
engine_packages() {
  local wanted
  ! have dockerd || is_installed docker.io || return 0
  case "$(distribution)-$(codename)" in
    debian-bookworm) wanted='docker.io/trixie docker-cli/trixie docker-buildx/trixie containerd/trixie iptables' ;;
    debian-*) wanted='docker.io docker-cli docker-buildx iptables' ;;
    ubuntu-*) wanted='docker.io docker-buildx iptables' ;;
    *) return 0 ;;
  esac
  # All of them or none: they come from one release, and one of them alone may not fit an older rest.
  # shellcheck disable=SC2086
  [ -z "$(missing_packages $wanted)" ] || printf '%s\n' $wanted
}

# is_configured: somebody has configured a daemon on this machine; then that configuration stands
is_configured() { [ -e /etc/docker/daemon.json ]; }

engine_configuration() {
  cat <<JSON
{
  "features": {"containerd-snapshotter": true, "cdi": true}$(data_root_setting)
}
JSON
}

is_overlay() { [ "$(stat -f -c %T "$1" 2>/dev/null)" = overlayfs ]; }

# data_root_setting: overlay on overlay does not work, so where the usual place is one (inside a container) the data go
# beside our own; where that is one too, every layer is a whole copy
data_root_setting() {
  as_root mkdir -p /var/lib/docker
  if ! is_overlay /var/lib/docker; then return; fi
  if is_overlay "$NIGHTLY_HOME"; then
    printf ',\n  "storage-driver": "native"'
  else
    printf ',\n  "data-root": "%s"' "$NIGHTLY_HOME/docker"
  fi
}

# clear_stale_pids: after an unclean stop the pid files are still there, and their numbers may belong to others
clear_stale_pids() {
  runs_as "$(pid_in /var/run/docker.pid || true)" dockerd || as_root rm -f /var/run/docker.pid
  runs_as "$(pid_in "$ENGINE_PID" || true)" dockerd || as_root rm -f "$ENGINE_PID"
  runs_as "$(pid_in "$CONTAINERD_PID" || true)" containerd || as_root rm -f "$CONTAINERD_PID"
}

# packet_filter_path: a folder that puts iptables' legacy variant first where the kernel lacks the newer one
packet_filter_path() {
  as_root iptables -t nat -L -n >/dev/null 2>&1 && return 0
  as_root iptables-legacy -t nat -L -n >/dev/null 2>&1 || return 0
  local variant folder="$HOST_DIR/bin"
  mkdir -p "$folder"
  for variant in iptables ip6tables; do
    ln -sf "$(PATH="$PATH:/usr/sbin:/sbin" command -v "$variant-legacy")" "$folder/$variant"
  done
  printf '%s:' "$folder"
}

# A minimal container may come without the control groups' file systems.
mount_cgroups() {
  [ -e /sys/fs/cgroup/cgroup.controllers ] && return 0
  [ -d /sys/fs/cgroup/memory ] || [ -d /sys/fs/cgroup/pids ] || as_root mount -t cgroup2 none /sys/fs/cgroup
}

# start_in_background: no init system, so a plain process, with a configuration file of its own
start_in_background() {
  local command
  clear_stale_pids
  mount_cgroups || true
  command=(env "PATH=$(packet_filter_path)/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    dockerd --pidfile "$ENGINE_PID")
  if ! is_configured; then
    engine_configuration >"$ENGINE_CONFIG"
    command+=(--config-file "$ENGINE_CONFIG")
  fi
  is_root || command=(sudo -n -- "${command[@]}")
  start_detached "$ENGINE_LOG" "$ENGINE_LAUNCHER_PID" "${command[@]}"
}

# start_with_systemd [fresh]: a configuration is written only for an engine installed just now, and only if none is there
start_with_systemd() {
  if [ "${1:-}" = fresh ] && ! is_configured; then
    as_root mkdir -p /etc/docker
    engine_configuration | as_root tee /etc/docker/daemon.json >/dev/null
  fi
  as_root systemctl enable --now docker
}

# grant_access: lets this person use the socket now (the list) and after the next login (the group)
grant_access() {
  as_root usermod -aG docker "$(id -un)"
  as_root setfacl -m "u:$(id -un):rw" /var/run/docker.sock
}
