#!/bin/sh
# Starts nodeplane under Node 26. Called `nodeplane` (or `kubectl-nodeplane`, as kubectl calls its plugins) it is the command
# line, by any other name that CNI plugin. The compiled plugin executable calls it as `nodeplane --cni-plugin NAME PATH` where
# no agent does its work.
# It depends on neither working directory, HOME nor PATH: container runtimes promise none of them.

built_node='@NODE@'
built_dist='@DIST@'

# dist/ is where this file lies, or above it (dist/cni), also through a link; a lone copy uses the place it was built at.
find_dist() {
  for dist in "${1%/*}" "${1%/*}/.."; do
    [ -e "$dist/lib/cni.cjs" ] && return
  done
  return 1
}
find_dist "$0" || find_dist "$(readlink -f -- "$0")" || dist=$built_dist

is_new_enough() {
  "$1" -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 26 ? 0 : 1)' 2>/dev/null
}
node=$built_node
if [ ! -x "$node" ]; then
  for node in "$dist/../node_modules/.bin/node" node /usr/local/bin/node /usr/bin/node ''; do
    if [ -n "$node" ] && is_new_enough "$node"; then break; fi
  done
fi

name=$0 self=$0
if [ "${1:-}" = --cni-plugin ]; then name=$2 self=$3; fi

case ${name##*/} in
nodeplane | kubectl-nodeplane)
  if [ -z "$node" ]; then
    echo 'nodeplane: no Node.js 26 or later found' >&2
    exit 1
  fi
  # glibc would give each of Node's threads a heap of its own, which keep 8 MiB between them.
  MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-1} exec "$node" "$dist/lib/${name##*/}.mjs" "$@"
  ;;
*)
  if [ -z "$node" ]; then
    echo '{"cniVersion":"1.1.0","code":999,"msg":"nodeplane: no Node.js 26 or later found"}'
    exit 1
  fi
  # What the runtime's environment tells Node is not meant for plugins.
  unset NODE_OPTIONS
  exec "$node" "$dist/lib/cni.cjs" "$name" "$self"
  ;;
esac
