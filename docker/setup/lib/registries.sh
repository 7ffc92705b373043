# shellcheck shell=bash
# The two registries of one machine. Needs common.sh, host.sh and processes.sh.

REGISTRIES_DIR="$NIGHTLY_HOME/registries"
REGISTRY_PROGRAM="${NIGHTLY_REGISTRY_PROGRAM:-docker-registry}"
REGISTRY_IMAGE="${NIGHTLY_REGISTRY_IMAGE:-registry:2}"

port_of() { case "$1" in ecr) printf '%s' "$ECR_PORT" ;; acr) printf '%s' "$ACR_PORT" ;; esac; }
role_of() { case "$1" in ecr) printf 'AWS ECR' ;; acr) printf 'Azure ACR' ;; esac; }

# is_registry PORT: something there speaks the registry protocol (a wish for a login counts)
is_registry() {
  local headers
  headers="$(curl -s -m 5 -o /dev/null -D - "http://localhost:$1/v2/" 2>/dev/null)" || return 1
  grep -qi '^docker-distribution-api-version: *registry/2' <<<"$headers"
}

# is_port_taken PORT [ADDRESS]
is_port_taken() { (exec 4<>"/dev/tcp/${2:-localhost}/$1") 2>/dev/null; }

# listening_socket PORT: the socket's number in the kernel's tables
listening_socket() {
  awk -v port=":$(printf '%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' \
    /proc/net/tcp /proc/net/tcp6
}

# listener_pid PORT: the processes that listen there
listener_pid() {
  if [ -d /proc/net ]; then
    find /proc/[0-9]*/fd -lname "socket:\[$(listening_socket "$1")\]" 2>/dev/null | cut -d / -f 3
  elif have lsof; then
    lsof -nP -t -iTCP:"$1" -sTCP:LISTEN
  fi
}

# holder_of PORT: that process in words
holder_of() {
  local pid
  pid="$(listener_pid "$1" || true)"
  pid="${pid%%[!0-9]*}"
  if [ -n "$pid" ]; then
    printf '%s, process %s' "$(ps -o comm= -p "$pid" 2>/dev/null || cat "/proc/$pid/comm")" "$pid"
  else
    printf 'a process of another user'
  fi
}

# registry_configuration NAME
registry_configuration() {
  cat <<YAML
version: 0.1
log:
  level: warn
  accesslog: {disabled: true}
storage:
  filesystem: {rootdirectory: "$REGISTRIES_DIR/$1/data"}
  delete: {enabled: true}
http:
  addr: "127.0.0.1:$(port_of "$1")"
YAML
}

start_program() {
  local folder="$REGISTRIES_DIR/$1"
  mkdir -p "$folder/data"
  registry_configuration "$1" >"$folder/config.yml"
  start_detached "$folder/registry.log" "$folder/registry.pid" "$REGISTRY_PROGRAM" serve "$folder/config.yml"
}

# start_container: where the program is not packaged; it comes back with the engine
start_container() {
  mkdir -p "$REGISTRIES_DIR/$1/data"
  docker rm -f "nightly-registry-$1" >/dev/null 2>&1 || true
  docker run -d --name "nightly-registry-$1" --restart unless-stopped \
    --label io.nightly.role="registry-$1" \
    -e REGISTRY_STORAGE_DELETE_ENABLED=true -e REGISTRY_LOG_LEVEL=warn \
    -v "$REGISTRIES_DIR/$1/data:/var/lib/registry" -p "127.0.0.1:$(port_of "$1"):5000" "$REGISTRY_IMAGE"
}

# stop_registry NAME: true when there was one of ours to stop
stop_registry() {
  local stopped=1
  if is_running "$REGISTRIES_DIR/$1/registry.pid" "$REGISTRY_PROGRAM"; then stopped=0; fi
  stop_process "$REGISTRIES_DIR/$1/registry.pid" "$REGISTRY_PROGRAM" 10
  if have docker && [ -n "$(docker ps -aq --filter "name=^nightly-registry-$1\$" 2>/dev/null)" ]; then
    docker rm -f "nightly-registry-$1" >/dev/null
    stopped=0
  fi
  return "$stopped"
}
