# The base image of the local profile, where no public registry can be reached: a Debian root per platform.
# Nothing of a foreign platform runs: Python's byte code, the one thing made by running, is the same on all of them.

FROM scratch AS rootfs
ARG TARGETARCH
ADD rootfs-${TARGETARCH}.tar /

FROM --platform=$BUILDPLATFORM scratch AS compiled
ARG BUILDARCH
ADD rootfs-${BUILDARCH}.tar /
# unchecked-hash: a later layer's file times do not make it stale.
RUN python3 -m compileall -q -x 'lib2to3|/test/' --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.11 \
 && find /usr/lib/python3* -name '_sysconfigdata*.pyc' -delete \
 && mkdir /compiled \
 && find /usr/lib/python3 /usr/lib/python3.11 -name '*.pyc' -print0 | tar -c --null -T - | tar -x -C /compiled

FROM rootfs
COPY --from=compiled /compiled/ /
ARG RECIPE
LABEL org.opencontainers.image.title="nightly-base" \
      org.opencontainers.image.description="Debian bookworm with Python 3.11, the base of locally built nightly images" \
      io.nightly.base.made-with="mmdebstrap --variant=extract" \
      io.nightly.base.recipe="${RECIPE}"
ENV LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["python3"]
