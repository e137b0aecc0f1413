#!/bin/sh
# Runs a command in network and mount namespaces of its own, with an empty /run: whatever it leaves behind
# (links, rules, named namespaces, state files) goes away with its last process.
# Without root a user namespace is made as well.
set -eu
map=
[ "$(id -u)" = 0 ] || map=--map-root-user
# shellcheck disable=SC2086
exec unshare $map --net --mount --pid --fork --kill-child --mount-proc sh -c '
  mount -t tmpfs tmpfs /run
  mount -t sysfs sysfs /sys 2>/dev/null || true
  ip link set lo up
  exec "$@"
' sh "$@"
