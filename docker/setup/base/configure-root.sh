#!/bin/sh
# Runs on the host, after the packages were extracted to $1 and before they become an archive. Does what their
# maintainer scripts would have done, without running anything from inside: $1 may be of another architecture.
# Beware: the host's own /dev, /proc and /sys are mounted there meanwhile.
set -eu
root="$1"

# Accounts, name resolution, time zone and the shells' start files.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc/nsswitch.conf"
cp "$root/usr/share/base-files/profile" "$root/etc/profile"
ln -sf /usr/share/zoneinfo/Etc/UTC "$root/etc/localtime"
echo Etc/UTC >"$root/etc/timezone"
mkdir -p "$root/usr/local/bin" "$root/usr/local/lib" "$root/usr/local/sbin" "$root/var/tmp" "$root/tmp"
chmod 1777 "$root/tmp" "$root/var/tmp"

# The certificates of the package, and none of this machine's own.
mkdir -p "$root/etc/ssl/certs"
for certificate in "$root"/usr/share/ca-certificates/mozilla/*.crt; do
  cat "$certificate"
  [ -z "$(tail -c 1 "$certificate")" ] || echo
done >"$root/etc/ssl/certs/ca-certificates.crt"
(cd "$root/usr/share/ca-certificates" && ls mozilla/*.crt) >"$root/etc/ca-certificates.conf"

# What update-alternatives would have linked, and the name that the official Python images have too.
ln -sf mawk "$root/usr/bin/awk"
ln -sf which.debianutils "$root/usr/bin/which"
ln -sf python3 "$root/usr/bin/python"
ln -sf gcc "$root/usr/bin/cc"

# The compiler is for the launchers that Triton builds while a real engine serves: C, linked dynamically, nothing else.
# What it has for link-time optimisation, sanitizers, profiles and static linking is two thirds of it.
rm -f "$root"/usr/bin/*-lto-dump* "$root"/usr/bin/*-gp-* "$root"/usr/bin/*gprof* "$root"/usr/bin/*-ld.gold \
  "$root"/usr/bin/*-dwp "$root"/usr/lib/gcc/*/*/lto1 "$root"/usr/lib/python3*/config-*/*.a
for name in asan tsan lsan ubsan hwasan itm gprofng gp-collector gomp-plugin cc1 c m-2.36 mvec; do
  find "$root"/usr/lib/gcc "$root"/usr/lib/*-linux-gnu -name "lib$name.a" -delete
done
find "$root"/usr/lib/gcc "$root"/usr/lib/*-linux-gnu -regextype posix-extended \
  -regex '.*/(lib(asan|tsan|lsan|ubsan|hwasan|itm|gprofng)\.so.*|gprofng/.*)' -delete

# The image is the environment: installing into it is what it is for.
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED

# Each package's record, where scanners look for it in images without dpkg's own database.
mkdir -p "$root/var/lib/dpkg/status.d"
for package in "$root"/var/cache/apt/archives/*.deb; do
  dpkg-deb --field "$package" >"$root/var/lib/dpkg/status.d/$(dpkg-deb --field "$package" Package)"
done
rm -f "$root"/var/lib/dpkg/status.d/usr-is-merged "$root"/var/lib/dpkg/status-old
: >"$root/var/lib/dpkg/status"
rm -rf "$root"/var/lib/dpkg/info/usr-is-merged.*

# What nobody reads in a container. The licences (copyright) stay.
find "$root/usr/share/doc" -depth -type f ! -name copyright -delete
find "$root/usr/share/doc" -depth -type d -empty -delete
rm -rf "$root"/usr/share/man "$root"/usr/share/info "$root"/usr/share/lintian "$root"/usr/share/locale \
  "$root"/usr/share/bash-completion "$root"/usr/share/zoneinfo/right "$root"/usr/share/zoneinfo/posix \
  "$root"/usr/share/pixmaps "$root"/usr/share/applications "$root"/var/lib/apt/lists "$root"/var/cache/apt \
  "$root"/var/log/*
