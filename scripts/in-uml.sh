#!/bin/sh
# Runs a command as root in user-mode Linux: a kernel as a process, with IPVS, dummy links and SCTP, which the machine's
# own kernel may lack. The host's files are its files. Prints what the command prints; exits with its status, or with 124
# after UML_LIMIT seconds (1200 when not given).
set -eu

guest() {
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t tmpfs tmpfs /run
  mkdir -p /run/modules/lib/modules /run/bin
  mount --bind /usr/lib/uml/modules /run/modules/lib/modules
  # What the kernel calls when it needs a module; by itself modprobe does not know that folder.
  printf '#!/bin/sh\nexec /sbin/modprobe -d /run/modules "$@"\n' >/run/bin/modprobe
  chmod +x /run/bin/modprobe
  echo /run/bin/modprobe >/proc/sys/kernel/modprobe
  # Nothing that needs these asks for them.
  for module in ipv6 br_netfilter; do /run/bin/modprobe "$module"; done
  # This kernel has no NAT of nftables.
  for program in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -s /usr/sbin/xtables-legacy-multi "/run/bin/$program"
  done
  ip link set lo up
  cd "$(cat "$UML_WORK/folder")"
  export PATH="/run/bin:$PWD/node_modules/.bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root
  status=0
  sh "$UML_WORK/command" >"$UML_WORK/output" 2>&1 </dev/null || status=$?
  echo "$status" >"$UML_WORK/status"
  poweroff -f
}

[ $$ != 1 ] || guest

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pwd >"$work/folder"
for word in "$@"; do printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done >"$work/command"
script=$(readlink -f "$0")
status=0
# timeout kills the whole process group: the kernel's own processes too.
timeout --kill-after=5 "${UML_LIMIT:-1200}" linux.uml mem=768M root=/dev/root rootfstype=hostfs rootflags=/ rw \
  init="$script" UML_WORK="$work" con=null con0=fd:0,fd:1 quiet </dev/null >"$work/console" 2>&1 || status=$?
[ ! -e "$work/output" ] || cat "$work/output"
if [ -e "$work/status" ]; then exit "$(cat "$work/status")"; fi
cat "$work/console" >&2
[ "$status" != 0 ] || status=1
exit "$status"
