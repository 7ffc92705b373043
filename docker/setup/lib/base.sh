# shellcheck shell=bash
# The base image: is it there, and the ways to make it. Needs common.sh, host.sh and apt.sh.

BASE_DIR="$SETUP_DIR/base"
BASE_REPOSITORY=nightly-base
BASE_TAG=python-3.11-bookworm
BASE_IMAGE="localhost:$ECR_PORT/$BASE_REPOSITORY:$BASE_TAG"
BASE_PLATFORMS=linux/amd64,linux/arm64
BASE_SUITE=bookworm
HUB_IMAGE="${NIGHTLY_BASE_SOURCE:-docker.io/library/python:3.11-slim-bookworm}"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# recipe: changes with everything that decides what the image holds
recipe() { cat "$BASE_DIR"/* | sha256_of; }

# recipe_tag: names the same index as the base's tag for as long as it was made by this recipe
recipe_tag() { printf '%s-recipe-%.12s' "$BASE_TAG" "$(recipe)"; }

# ask_manifest TAG OPTION...: what the registry says of a tag, without carriage returns; false when there is none
ask_manifest() {
  local tag="$1"
  shift
  have curl || return 1
  curl -s -f -m 10 "$@" -H 'Accept: application/vnd.oci.image.index.v1+json' \
    -H 'Accept: application/vnd.docker.distribution.manifest.list.v2+json' \
    "http://localhost:$ECR_PORT/v2/$BASE_REPOSITORY/manifests/$tag" | tr -d '\r'
}

digest_of() { ask_manifest "$1" --head | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: *//p'; }

# base_is_current: the tag is there, with both platforms, made by this recipe
base_is_current() {
  local index digest
  index="$(ask_manifest "$BASE_TAG" | tr -d ' \t\n')" || return 1
  case "$index" in *'"architecture":"amd64"'*) ;; *) return 1 ;; esac
  case "$index" in *'"architecture":"arm64"'*) ;; *) return 1 ;; esac
  digest="$(digest_of "$BASE_TAG")" || return 1
  [ -n "$digest" ] && [ "$digest" = "$(digest_of "$(recipe_tag)")" ]
}

# hub_answers: a short question, since most machines that cannot reach it do not get a refusal but silence
hub_answers() { timeout_of 8 docker buildx imagetools inspect "$HUB_IMAGE" >/dev/null 2>&1; }

# debian_sources: lines for mmdebstrap, from this machine's own sources; none on other systems, where it knows its own
debian_sources() {
  local archive security
  [ "$(distribution)" = debian ] || return 0
  archive="$(mirror_of "$(codename)")" || return 0
  printf 'deb [signed-by=%s] %s %s main\n' "$KEYRING" "$archive" "$BASE_SUITE" "$KEYRING" "$archive" "$BASE_SUITE-updates"
  security="$(mirror_of "$(codename)-security")" || return 0
  printf 'deb [signed-by=%s] %s %s main\n' "$KEYRING" "$security" "$BASE_SUITE-security"
}

# make_rootfs ARCHITECTURE FOLDER: the packages, extracted and not run, as an archive. Our own descriptors are closed for
# it: it hands its own on through dash, which knows single digits only.
make_rootfs() {
  local sources=()
  while IFS= read -r source; do sources+=("$source"); done < <(debian_sources)
  as_root mmdebstrap --variant=extract --skip=output/dev --architectures="$1" --components=main \
    --include="$(paste -s -d , "$BASE_DIR/packages.txt")" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --extract-hook="$BASE_DIR/configure-root.sh \"\$1\"" \
    "$BASE_SUITE" - "${sources[@]}" >"$2/rootfs-$1.tar" 3>&- 9>&-
}

# make_rootfses FOLDER: both at once
make_rootfses() {
  local arm failed=0
  make_rootfs arm64 "$1" &
  arm=$!
  make_rootfs amd64 "$1" || failed=1
  wait "$arm" || failed=1
  return "$failed"
}

# build_base WAY FOLDER PLATFORMS TAG...
build_base() {
  local way="$1" folder="$2" platforms="$3" tag tags=()
  shift 3
  for tag in "$@"; do tags+=(--tag "$tag"); done
  # The engine's own builder, whichever one was selected: others cannot reach a registry on localhost.
  docker buildx build --builder "$(docker context show)" --progress plain --platform "$platforms" --provenance=false --sbom=false \
    --build-arg "RECIPE=$(recipe)" --build-arg "SOURCE=$HUB_IMAGE" --file "$BASE_DIR/$way.Dockerfile" \
    "${tags[@]}" --output type=image,push=true,oci-mediatypes=true "$folder"
}

# publish_base WAY FOLDER: packages or copy, to one index under both tags. The classic image store builds one platform
# at a time; there the index is put together afterwards.
publish_base() {
  local marked
  marked="localhost:$ECR_PORT/$BASE_REPOSITORY:$(recipe_tag)"
  if has_containerd_store; then
    build_base "$1" "$2" "$BASE_PLATFORMS" "$BASE_IMAGE" "$marked"
    return
  fi
  build_base "$1" "$2" linux/amd64 "$BASE_IMAGE-amd64"
  build_base "$1" "$2" linux/arm64 "$BASE_IMAGE-arm64"
  docker buildx imagetools create --tag "$BASE_IMAGE" --tag "$marked" "$BASE_IMAGE-amd64" "$BASE_IMAGE-arm64"
}
