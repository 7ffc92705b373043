#!/bin/sh
# Write below /user what the runtime image's user needs: its entries beside those of the base, its folders.
set -eu
id=10001
mkdir -p /user/etc /user/home/nightly /user/workspace
cp /etc/passwd /etc/group /user/etc/
if grep -q -e "^nightly:" -e ":x:$id:" /etc/passwd /etc/group; then
    echo "the base image has a user or group nightly or $id already" >&2
    exit 65
fi
echo "nightly:x:$id:$id:inference server:/home/nightly:/usr/sbin/nologin" >> /user/etc/passwd
echo "nightly:x:$id:" >> /user/etc/group
chown -R "$id:$id" /user/home/nightly /user/workspace
