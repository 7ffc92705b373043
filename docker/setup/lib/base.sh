# shellcheck shell=bash
# The base image: is it there, and the ways to make it. Needs common.sh, host.sh and apt.sh.

BASE_DIR="$SETUP_DIR/base"
BASE_REPOSITORY=nightly-base
BASE_TAG=python-3.11-bookworm
BASE_IMAGE="localhost:$ECR_PORT/$BASE_REPOSITORY:$BASE_TAG"
BASE_PLATFORMS=linux/amd64,linux/arm64
BASE_SUITE=bookworm
HUB_IMAGE=docker.io/library/python:3.11-slim-bookworm
RECIPE_KEY=io.nightly.base.recipe
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# recipe: changes with everything that decides what the image holds
recipe() { cat "$BASE_DIR"/* | sha256_of; }

# base_index: the tag's index without white space; empty when there is none
base_index() {
  have curl || return 1
  curl -s -f -m 10 -H 'Accept: application/vnd.oci.image.index.v1+json' \
    -H 'Accept: application/vnd.docker.distribution.manifest.list.v2+json' \
    "http://localhost:$ECR_PORT/v2/$BASE_REPOSITORY/manifests/$BASE_TAG" | tr -d ' \t\n'
}

# base_is_current: the tag is there, with both platforms, made by this recipe
base_is_current() {
  local index
  index="$(base_index)" || return 1
  case "$index" in *'"architecture":"amd64"'*) ;; *) return 1 ;; esac
  case "$index" in *'"architecture":"arm64"'*) ;; *) return 1 ;; esac
  case "$index" in *"\"$RECIPE_KEY\":\"$(recipe)\""*) ;; *) return 1 ;; esac
}

# hub_answers: a short question, since most machines that cannot reach it do not get a refusal but silence
hub_answers() { timeout_of 8 docker buildx imagetools inspect "$HUB_IMAGE" >/dev/null 2>&1; }

copy_from_hub() {
  docker buildx imagetools create --tag "$BASE_IMAGE" \
    --annotation "index:$RECIPE_KEY=$(recipe)" --annotation "index:io.nightly.base.made-with=copy of $HUB_IMAGE" "$HUB_IMAGE"
}

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

# build_base PLATFORMS TAG FOLDER [OPTION...]: OCI media types, for only they can carry the annotations
build_base() {
  local platforms="$1" tag="$2" folder="$3"
  shift 3
  docker buildx build --builder default --progress plain --platform "$platforms" --provenance=false --sbom=false \
    --build-arg "RECIPE=$(recipe)" --file "$BASE_DIR/Dockerfile" \
    --output "type=image,name=$tag,push=true,oci-mediatypes=true" "$@" "$folder"
}

# publish_base FOLDER: one index. The classic image store builds one platform at a time; the index is put together after.
publish_base() {
  local annotations=(--annotation "index:$RECIPE_KEY=$(recipe)" --annotation 'index:io.nightly.base.made-with=mmdebstrap')
  if has_containerd_store; then
    build_base "$BASE_PLATFORMS" "$BASE_IMAGE" "$1" "${annotations[@]}"
    return
  fi
  build_base linux/amd64 "$BASE_IMAGE-amd64" "$1"
  build_base linux/arm64 "$BASE_IMAGE-arm64" "$1"
  docker buildx imagetools create --tag "$BASE_IMAGE" "${annotations[@]}" "$BASE_IMAGE-amd64" "$BASE_IMAGE-arm64"
}
