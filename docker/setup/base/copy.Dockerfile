# The base image of the local profile, where a public registry answers: its Python image, with our labels and no more.

ARG SOURCE
FROM ${SOURCE}
ARG SOURCE
ARG RECIPE
LABEL org.opencontainers.image.title="nightly-base" \
      org.opencontainers.image.description="Debian bookworm with Python 3.11, the base of locally built nightly images" \
      io.nightly.base.made-with="copy of ${SOURCE}" \
      io.nightly.base.recipe="${RECIPE}"
