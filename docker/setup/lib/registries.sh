# shellcheck shell=bash
# The two registries of one machine. Needs common.sh, host.sh and processes.sh.

REGISTRIES_DIR="$NIGHTLY_HOME/registries"
REGISTRY_PROGRAM=docker-registry
REGISTRY_IMAGE="${NIGHTLY_REGISTRY_IMAGE:-registry:2}"

port_of() { case "$1" in ecr) printf '%s' "$ECR_PORT" ;; acr) printf '%s' "$ACR_PORT" ;; esac; }
role_of() { case "$1" in ecr) printf 'AWS ECR' ;; acr) printf 'Azure ACR' ;; esac; }

# is_registry PORT: something there speaks the registry protocol (a wish for a login counts)
is_registry() {
  curl -s -m 5 -o /dev/null -D - "http://localhost:$1/v2/" 2>/dev/null |
    grep -qi '^docker-distribution-api-version: *registry/2'
}

# is_port_taken PORT [ADDRESS]
is_port_taken() { (exec 4<>"/dev/tcp/${2:-localhost}/$1") 2>/dev/null; }

# holder_of PORT: the process that listens there, in words
holder_of() {
  local found=''
  if have ss; then
    found="$(as_root_quietly ss -H -l -t -n -p "sport = :$1" | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1, process \2/p' | head -n 1)"
  elif have lsof; then
    found="$(as_root_quietly lsof -nP -iTCP:"$1" -sTCP:LISTEN -F cp | tr -d '\n' | sed -n 's/^p\([0-9]*\)c\(.*\)$/\2, process \1/p')"
  fi
  printf '%s' "${found:-a process that could not be named}"
}

as_root_quietly() { if is_root || ! sudo -n true 2>/dev/null; then "$@"; else sudo -n -- "$@"; fi 2>/dev/null || true; }

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

stop_registry() {
  stop_process "$REGISTRIES_DIR/$1/registry.pid" "$REGISTRY_PROGRAM" 10
  if have docker && [ -n "$(docker ps -aq --filter "name=^nightly-registry-$1\$" 2>/dev/null)" ]; then
    docker rm -f "nightly-registry-$1" >/dev/null
  fi
}
