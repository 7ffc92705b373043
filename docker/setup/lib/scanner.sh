# shellcheck shell=bash
# The program that lists an image's packages for BuildKit (docker/sbom_scanner), as an image on the base. Needs base.sh
# and engine.sh.

SCANNER_DIR="$PROJECT_ROOT/docker/sbom_scanner"
SCANNER_IMAGE="localhost:$ECR_PORT/nightly-sbom-scanner"
SCANNER_TAG=1

# scanner_recipe: changes with the program and with the base it stands on
scanner_recipe() { { cat "$SCANNER_DIR/Dockerfile" "$SCANNER_DIR/scan.py" && digest_of "$BASE_TAG"; } | sha256_of; }

# scanner_digest TAG: what the registry says; empty when there is none
scanner_digest() {
  have curl || return 0
  curl -s -f -m 10 --head -H 'Accept: application/vnd.oci.image.index.v1+json' \
    -H 'Accept: application/vnd.docker.distribution.manifest.list.v2+json' \
    -H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
    "http://localhost:$ECR_PORT/v2/nightly-sbom-scanner/manifests/$1" | tr -d '\r' |
    sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: *//p' || true
}

# scanner_is_current RECIPE
scanner_is_current() {
  local digest
  digest="$(scanner_digest "$SCANNER_TAG")"
  [ -n "$digest" ] && [ "$digest" = "$(scanner_digest "recipe-$1")" ]
}

# publish_scanner RECIPE: it runs on the machine that builds, so the classic image store's one platform will do
publish_scanner() {
  local platforms="$BASE_PLATFORMS"
  has_containerd_store || platforms="$(machine_platform)"
  # --pull: the engine may hold an older image by the base's name.
  docker buildx build --pull --builder "$(docker context show)" --progress plain --platform "$platforms" \
    --provenance=false --sbom=false --build-arg "BASE=$BASE_IMAGE" --build-arg "RECIPE=$1" \
    --tag "$SCANNER_IMAGE:$SCANNER_TAG" --tag "$SCANNER_IMAGE:recipe-$1" \
    --output type=image,push=true,oci-mediatypes=true "$SCANNER_DIR"
}

# ensure_scanner: one request when it is there
ensure_scanner() {
  local made='already there' recipe
  # shellcheck disable=SC2034  # ok reads it
  STEP_STARTED="$(now_ms)"
  recipe="$(scanner_recipe | cut -c 1-12)"
  if ! scanner_is_current "$recipe"; then
    doing scanner 'building the SBOM scanner on the base image'
    publish_scanner "$recipe"
    made=built
    scanner_is_current "$recipe" || cannot scanner "$SCANNER_IMAGE:$SCANNER_TAG is not there after it was pushed" \
      "Read the log, then repeat: docker/setup/setup.sh bases"
  fi
  ok scanner "$made: $SCANNER_IMAGE:$SCANNER_TAG"
}
