# shellcheck shell=bash
# The demo's machines as network namespaces:
#
#   np-outside ──┐                  a client outside the cluster, router and DNS server of the outside world
#                ├── np-lan (switch)
#   np-node-a ───┤                  192.0.2.10, pods 10.244.1.0/24
#   np-node-b ───┘                  192.0.2.20, pods 10.244.2.0/24
#
# Pods are namespaces np-pod-NAME, wired into their node by dist/cni/bridge.

declare -A pod_node pod_app pod_subdomain pod_ip pod_ip6

in_ns() {
  local namespace=$1
  shift
  ip netns exec "np-$namespace" "$@"
}

add_machine() {
  local name=$1
  ip netns add "np-$name"
  ip -n "np-$name" link set lo up
}

# Connects a machine to the switch: add_cable MACHINE IPV4 IPV6
add_cable() {
  local name=$1
  ip -n np-lan link add "$name" type veth peer name eth0 netns "np-$name"
  ip -n np-lan link set "$name" master switch up
  ip -n "np-$name" address add "$2/24" dev eth0
  ip -n "np-$name" address add "$3/64" dev eth0 nodad
  ip -n "np-$name" link set eth0 up
}

make_topology() {
  add_machine lan
  ip -n np-lan link add switch type bridge
  ip -n np-lan link set switch up
  add_machine outside
  add_cable outside 192.0.2.1 fd00:2::1
  local node
  for node in a b; do add_machine "node-$node"; done
  add_cable node-a 192.0.2.10 fd00:2::10
  add_cable node-b 192.0.2.20 fd00:2::20
  for node in node-a node-b; do
    ip -n "np-$node" route add default via 192.0.2.1
    ip -n "np-$node" -6 route add default via fd00:2::1
  done
  # The outside knows nothing of pods; the routes to those of the other node are the agents'.
}

# The CNI configuration of a node: pod_network NUMBER
pod_network() {
  cat <<JSON
{
  "cniVersion": "1.1.0", "name": "pods", "type": "bridge",
  "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true,
  "ipam": {
    "type": "host-local", "dataDir": "$state/node-$1/leases",
    "ranges": [[{ "subnet": "10.244.$1.0/24" }], [{ "subnet": "fd00:244:$1::/64" }]]
  }
}
JSON
}

node_number() { [ "$1" = node-a ] && echo 1 || echo 2; }

# Calls our CNI plugin as a container runtime would: cni VERB POD NODE
cni() {
  local verb=$1 pod=$2 node=$3
  pod_network "$(node_number "$node")" | in_ns "$node" env CNI_COMMAND="$verb" CNI_CONTAINERID="demo-$pod" \
    CNI_NETNS="/run/netns/np-pod-$pod" CNI_IFNAME=eth0 CNI_PATH="$root/dist/cni" "$root/dist/cni/bridge"
}

# Makes a pod, wires it, starts its program and writes its manifest: add_pod NAME NODE APP [SUBDOMAIN]
add_pod() {
  local name=$1 node=$2 app=$3 subdomain=${4:-} result
  add_machine "pod-$name"
  result=$(cni ADD "$name" "$node")
  pod_node[$name]=$node pod_app[$name]=$app pod_subdomain[$name]=$subdomain
  pod_ip[$name]=$(address_in "$result" 1)
  pod_ip6[$name]=$(address_in "$result" 2)
  write_pod "$name" True
  in_ns "pod-$name" node "$root/scripts/demo.d/pod.ts" --name "$name" &
  remember $!
  resolv_conf "$name"
}

# The n-th address of a CNI result, without its prefix length.
address_in() {
  node -p 'JSON.parse(process.argv[1]).ips[process.argv[2] - 1].address.split("/")[0]' "$1" "$2"
}

# Writes the Pod object as its kubelet would have reported it: write_pod NAME READY
write_pod() {
  local name=$1 ready=$2 host=
  [ -z "${pod_subdomain[$name]}" ] || host="hostname: $name, subdomain: ${pod_subdomain[$name]},"
  cat >"$state/pod.tmp" <<YAML
apiVersion: v1
kind: Pod
metadata: { name: $name, namespace: shop, labels: { app: ${pod_app[$name]} } }
spec:
  { $host nodeName: ${pod_node[$name]}, containers: [{ name: app, ports: [{ name: http, containerPort: 8080 }] }] }
status:
  phase: Running
  podIP: ${pod_ip[$name]}
  podIPs: [{ ip: ${pod_ip[$name]} }, { ip: "${pod_ip6[$name]}" }]
  conditions: [{ type: Ready, status: "$ready" }]
YAML
  mv "$state/pod.tmp" "$state/manifests/pod-$name.yaml"
}

# Gives the pod the resolv.conf of its dnsPolicy; ip netns exec shows it as /etc/resolv.conf.
resolv_conf() {
  mkdir -p "/etc/netns/np-pod-$1"
  nodeplane resolvconf -f "$state/manifests/pod-$1.yaml" --cluster-dns 10.96.0.10 \
    --cluster-domain cluster.local --resolv-conf "$state/node-resolv.conf" >"/etc/netns/np-pod-$1/resolv.conf"
}

# start_agent NODE
start_agent() {
  local node=$1
  cat >"$state/$node/agent.yaml" <<YAML
nodeName: $node
cluster: { manifests: $state/manifests }
proxy: { config: $root/scripts/demo.d/config/kube-proxy.yaml }
dns: { corefile: $root/scripts/demo.d/config/Corefile }
routes: { mode: auto, mtuFile: $state/$node/mtu }
socket: $state/$node/agent.sock
log: { level: info }
YAML
  in_ns "$node" "$root/dist/nodeplane" agent --config "$state/$node/agent.yaml" 2>"$state/$node/agent.log" &
  remember $!
}

remember() { echo "$1" >>"$state/processes"; }

# Ends every process and removes every namespace that a demo made, this one or one that was killed.
remove_demo() {
  command -v ip >/dev/null || return 0
  local pid namespace
  if [ -e "$state/processes" ]; then
    while read -r pid; do kill -TERM "$pid" 2>/dev/null || true; done <"$state/processes"
  fi
  for namespace in $(ip netns list | awk '/^np-/ { print $1 }'); do
    ip netns pids "$namespace" | xargs -r kill -KILL 2>/dev/null || true
    ip netns del "$namespace"
    rm -rf "/etc/netns/$namespace"
  done
  rmdir /etc/netns 2>/dev/null || true
  rm -rf "$state"
}
