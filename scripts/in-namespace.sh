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
  # A sysfs shows the links of the namespace it was mounted in. Container runtimes need the cgroups that lie below.
  mkdir /run/cgroup
  mount --rbind /sys/fs/cgroup /run/cgroup 2>/dev/null || true
  mount -t sysfs sysfs /sys 2>/dev/null && mount --rbind /run/cgroup /sys/fs/cgroup || true
  ip link set lo up
  # Where tap keeps its books: several of it may run in one checkout.
  [ ! -f .taprc ] || { mkdir -p .tap && mount -t tmpfs tmpfs .tap; }
  exec "$@"
' sh "$@"
