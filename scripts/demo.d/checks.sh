# shellcheck shell=bash
# What must hold. Every check runs a real client and compares what it says.

failed=0
number=0

section() { printf '\n%s\n' "$1"; }

# check TITLE PATTERN COMMAND…: the command's output must match the extended regular expression.
check() {
  local title=$1 pattern=$2 output
  shift 2
  number=$((number + 1))
  output=$("$@" 2>&1) || true
  if grep -qE -- "$pattern" <<<"$output"; then
    printf '  ok   %s\n' "$title"
    printf '       %s\n' "$(grep -m 1 -E -- "$pattern" <<<"$output")"
    return
  fi
  failed=$((failed + 1))
  printf '  FAIL %s\n       wanted: %s\n       ran:    %s\n' "$title" "$pattern" "$*"
  sed 's/^/       got:    /' <<<"$output"
}

# eventually SECONDS COMMAND…: until it succeeds.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

get() { curl --silent --show-error --globoff --max-time 5 "$@"; }
pod_get() { in_ns "pod-$1" curl --silent --show-error --globoff --max-time 5 "$2"; }
pod_dig() {
  local pod=$1
  shift
  in_ns "pod-$pod" dig +time=2 +tries=2 "$@"
}
udp_ask() { in_ns "pod-$1" timeout 5 bash -c "exec 3<>/dev/udp/$2/$3; echo hi >&3; head -n 1 <&3"; }

# Who answers in N requests, each name once: answered_by POD URL N
answered_by() {
  local i
  for ((i = 0; i < $3; i++)); do pod_get "$1" "$2"; done | awk '{ print $1 }' | sort -u | xargs
}

check_services() {
  section 'Services'
  check 'cluster IP, by name, from a pod on node-a' '^web-[ab] sees' pod_get client http://web/
  check 'cluster IP, by name, from a pod on node-b' '^web-[ab] sees' pod_get db-1 http://web.shop/
  check 'cluster IP, from a node itself' '^web-[ab] sees' in_ns node-b curl -sS -m 5 http://10.96.0.20/
  check 'cluster IP over IPv6' '^web-[ab] sees fd00:244:1:' pod_get client 'http://[fd00:96::20]/'
  check 'UDP through the cluster IP' '^web-[ab] sees' udp_ask client 10.96.0.20 9000
  check 'every endpoint gets traffic' '^web-a web-b$' answered_by client http://web/ 30
  check 'node port of node-a, from outside' '^web-[ab] sees' in_ns outside curl -sS -m 5 http://192.0.2.10:30080/
  check 'node port of node-b, from outside, IPv6' '^web-[ab] sees' \
    in_ns outside curl -sS -m 5 --globoff 'http://[fd00:2::20]:30080/'
  check 'a pod reaches itself through its Service (hairpin)' '^web-a web-b$' answered_by web-a http://web/ 30
  check 'a Service without endpoints refuses at once' 'Failed to connect to empty port 80 after [0-9]{1,3} ms' pod_get client http://empty/
}

check_names() {
  section 'Names'
  check 'Service' '^10\.96\.0\.20$' pod_dig client +short web.shop.svc.cluster.local
  check 'Service, IPv6' '^fd00:96::20$' pod_dig client +short web.shop.svc.cluster.local AAAA
  check 'short name by the search list' '^10\.96\.0\.20$' pod_dig client +search +short web
  check 'headless Service: the addresses of its pods' "^${pod_ip[db-0]}$" pod_dig client +short db.shop.svc.cluster.local
  check 'headless SRV' '^0 [0-9]+ 8080 db-0\.db\.shop\.svc\.cluster\.local\.$' \
    pod_dig client +short _sql._tcp.db.shop.svc.cluster.local SRV
  check 'StatefulSet pod' "^${pod_ip[db-1]}$" pod_dig client +short db-1.db.shop.svc.cluster.local
  check 'PTR of a cluster IP' '^web\.shop\.svc\.cluster\.local\.$' pod_dig client +short -x 10.96.0.20
  check 'PTR of a StatefulSet pod' '^db-0\.db\.shop\.svc\.cluster\.local\.$' pod_dig client +short -x "${pod_ip[db-0]}"
  check 'ExternalName' '^api\.example\.test\.$' pod_dig client +short partner.shop.svc.cluster.local
  check 'ExternalName leads to the outside address' '^203\.0\.113\.81$' pod_dig client +short partner.shop.svc.cluster.local
  check 'an outside name, forwarded' '^203\.0\.113\.80$' pod_dig client +short www.example.test
  check 'over TCP' '^10\.96\.0\.20$' pod_dig client +short +tcp web.shop.svc.cluster.local
  check 'a name that is not there: NXDOMAIN' 'status: NXDOMAIN' pod_dig client nope.shop.svc.cluster.local
  check 'a name without that type: NODATA' 'status: NOERROR' pod_dig client db.shop.svc.cluster.local MX
}

resolv_conf_of() {
  local policy=$1 host_network=$2 extra=${3:-}
  nodeplane resolvconf -f - --cluster-dns 10.96.0.10 --cluster-domain cluster.local \
    --resolv-conf "$state/node-resolv.conf" <<YAML | tr '\n' ';'
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: shop }
spec: { dnsPolicy: $policy, hostNetwork: $host_network, containers: [{ name: c }] $extra }
YAML
}

check_resolv_confs() {
  section 'resolv.conf of each dnsPolicy'
  local cluster='^search shop\.svc\.cluster\.local svc\.cluster\.local cluster\.local corp\.test;nameserver 10\.96\.0\.10;options ndots:5;$'
  local node='^search corp\.test;nameserver 192\.0\.2\.1;options timeout:2;$'
  check 'ClusterFirst' "$cluster" resolv_conf_of ClusterFirst false
  check 'ClusterFirst on the host network is as Default' "$node" resolv_conf_of ClusterFirst true
  check 'ClusterFirstWithHostNet' "$cluster" resolv_conf_of ClusterFirstWithHostNet true
  check 'Default' "$node" resolv_conf_of Default false
  check 'None' '^search my\.test;nameserver 198\.51\.100\.5;options ndots:1;$' resolv_conf_of None false \
    ', dnsConfig: { nameservers: [198.51.100.5], searches: [my.test], options: [{ name: ndots, value: "1" }] }'
}

check_pod_network() {
  section 'Pod network'
  check 'pod to pod on one node, source unchanged' "^web-a sees ${pod_ip[client]}$" pod_get client "http://${pod_ip[web-a]}:8080/"
  check 'pod to pod across nodes, source unchanged' "^web-b sees ${pod_ip[client]}$" pod_get client "http://${pod_ip[web-b]}:8080/"
  check 'the same over IPv6' "^web-b sees ${pod_ip6[client]}$" pod_get client "http://[${pod_ip6[web-b]}]:8080/"
  check 'node to pod of the other node' "^web-a sees 192\.0\.2\.20$" in_ns node-b curl -sS -m 5 "http://${pod_ip[web-a]}:8080/"
}

# nodeplane_on NODE COMMAND…: asks the agent of that node.
nodeplane_on() {
  local node=$1
  shift
  in_ns "$node" "$root/dist/nodeplane" "$@" --socket "$state/$node/agent.sock"
}

check_answers_why() {
  section 'Questions to the agent'
  check 'the node is well' '^OK +node node-a, ' nodeplane_on node-a status
  check 'why a Service does not answer' '^CAUSE: Service shop/empty has no endpoints' nodeplane_on node-a why shop/empty
  check 'and one that does' '^OK: nothing wrong found' nodeplane_on node-a why shop/web
  check 'the kernel has what it should have' '^proxy: no difference$' nodeplane_on node-a diff
}

web_is_only_b() { [ "$(answered_by client http://web/ 10)" = web-b ]; }

check_changes() {
  section 'Changes'
  write_pod web-a False
  eventually 10 web_is_only_b || true
  check 'an endpoint that goes unready gets no more traffic' '^web-b$' answered_by client http://web/ 30
  write_pod web-a True
  check 'and gets traffic again when it is ready' '^web-a web-b$' eventually_both
  check 'DEL gives the address back and removes the link' '^gone$' delete_pod web-a
}

eventually_both() {
  eventually 10 test_both
  answered_by client http://web/ 30
}
test_both() { [ "$(answered_by client http://web/ 20)" = 'web-a web-b' ]; }

delete_pod() {
  local node=${pod_node[$1]}
  rm "$state/manifests/pod-$1.yaml"
  cni DEL "$1" "$node" && cni DEL "$1" "$node"
  [ ! -e "$state/node-$(node_number "$node")/leases/pods/${pod_ip[$1]}" ] &&
    ! in_ns "pod-$1" ip link show eth0 >/dev/null 2>&1 && echo gone
}

run_checks() {
  check_services
  check_names
  check_resolv_confs
  check_pod_network
  check_answers_why
  check_changes
  printf '\n%d checks, %d failed\n' "$number" "$failed"
  [ "$failed" = 0 ]
}
