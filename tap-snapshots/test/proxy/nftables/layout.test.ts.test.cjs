/* IMPORTANT
 * This snapshot file is auto-generated, but designed for humans.
 * It should be checked into source control and tracked carefully.
 * Re-generate by setting TAP_SNAPSHOT=1 and running tests.
 * Make sure to inspect the output below.  Do not ignore changes!
 */
'use strict'
exports[`test/proxy/nftables/layout.test.ts > TAP > the whole table > IPv4 1`] = `
table ip nodeplane {
map vips { typeof ip daddr . meta l4proto . th dport : meta priority; counter; }
map vips-inside { typeof ip daddr . meta l4proto . th dport : meta priority; counter; }
map nodeports { typeof meta l4proto . th dport : meta priority; }
map nodeports-inside { typeof meta l4proto . th dport : meta priority; }
map lb { typeof meta priority : verdict; }
map spread { typeof meta priority : verdict; }
map remember { typeof meta priority : verdict; }
set sticky-endpoints { typeof meta priority . ip daddr . th dport; }
map endpoints-tcp { typeof meta priority . numgen random mod 65536 : ip daddr . tcp dport; }
map affinity-tcp { typeof meta priority . ip saddr : ip daddr . tcp dport; size 262144; flags dynamic,timeout; }
map endpoints-udp { typeof meta priority . numgen random mod 65536 : ip daddr . udp dport; }
map affinity-udp { typeof meta priority . ip saddr : ip daddr . udp dport; size 262144; flags dynamic,timeout; }
map endpoints-sctp { typeof meta priority . numgen random mod 65536 : ip daddr . sctp dport; }
map affinity-sctp { typeof meta priority . ip saddr : ip daddr . sctp dport; size 262144; flags dynamic,timeout; }
set restricted { typeof ip daddr . meta l4proto . th dport; }
set source-ranges { typeof ip daddr . meta l4proto . th dport . ip saddr; flags interval; }
set cluster-ips { type ipv4_addr; }
set service-cidrs { type ipv4_addr; flags interval; }
set hairpins { type ipv4_addr . ipv4_addr; }
set node-addresses { type ipv4_addr; size 65536; flags dynamic; }
map masquerade-vips { typeof ip daddr . meta l4proto . th dport : verdict; }
map masquerade-nodeports { typeof meta l4proto . th dport : verdict; }
set traffic { typeof ip daddr . meta l4proto . th dport; counter; }
set traffic-nodeports { typeof meta l4proto . th dport; counter; }
chain refuse {
meta l4proto tcp reject with tcp reset
reject
}
chain ignore {
drop
}
chain sticky {
meta l4proto tcp dnat ip to meta priority . ip saddr map @affinity-tcp
meta l4proto udp dnat ip to meta priority . ip saddr map @affinity-udp
meta l4proto sctp dnat ip to meta priority . ip saddr map @affinity-sctp
meta priority vmap @spread
}
chain services {
ip daddr . meta l4proto . th dport @restricted ip daddr . meta l4proto . th dport . ip saddr != @source-ranges ip daddr . meta l4proto . th dport @restricted goto ignore
meta priority set ip daddr . meta l4proto . th dport map @vips meta priority vmap @lb
ip daddr @cluster-ips goto refuse
ip daddr != 127.0.0.0/8 fib daddr type local meta priority set meta l4proto . th dport map @nodeports add @node-addresses { ip daddr } meta priority vmap @lb
}
chain services-inside {
ip daddr . meta l4proto . th dport @restricted ip daddr . meta l4proto . th dport . ip saddr != @source-ranges ip daddr . meta l4proto . th dport @restricted goto ignore
meta priority set ip daddr . meta l4proto . th dport map @vips-inside meta priority vmap @lb
meta priority set ip daddr . meta l4proto . th dport map @vips meta priority vmap @lb
ip daddr @cluster-ips goto refuse
ip daddr != 127.0.0.0/8 fib daddr type local meta priority set meta l4proto . th dport map @nodeports-inside add @node-addresses { ip daddr } meta priority vmap @lb
ip daddr != 127.0.0.0/8 fib daddr type local meta priority set meta l4proto . th dport map @nodeports add @node-addresses { ip daddr } meta priority vmap @lb
}
chain masquerade-cluster-ip {
ip saddr 10.244.0.0/16 return
masquerade fully-random
}
chain masquerade-all {
masquerade fully-random
}
chain masquerade-node {
ip saddr 10.244.0.0/16 return
fib saddr type local masquerade fully-random
}
chain masquerade-services {
ip saddr . ip daddr @hairpins masquerade fully-random
ct original ip daddr @cluster-ips goto masquerade-cluster-ip
meta l4proto { tcp, udp, sctp } ct original ip daddr . meta l4proto . ct original proto-dst vmap @masquerade-vips
ct original ip daddr @node-addresses meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst vmap @masquerade-nodeports
}
chain count {
meta l4proto { tcp, udp, sctp } ct original ip daddr . meta l4proto . ct original proto-dst @traffic return
ct original ip daddr @node-addresses meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst @traffic-nodeports
}
chain prerouting {
type nat hook prerouting priority -100; policy accept;
ip saddr 10.244.0.0/16 goto services-inside
goto services
}
chain output {
type nat hook output priority -100; policy accept;
goto services-inside
}
chain postrouting {
type nat hook postrouting priority 100; policy accept;
ct status dnat jump masquerade-services
}
chain affinity-prerouting {
type filter hook prerouting priority -90; policy accept;
ct state new ct status dnat meta priority . ip daddr . th dport @sticky-endpoints meta priority vmap @remember
}
chain affinity-output {
type filter hook output priority -90; policy accept;
ct state new ct status dnat meta priority . ip daddr . th dport @sticky-endpoints meta priority vmap @remember
}
chain forward {
type filter hook forward priority 0; policy accept;
meta l4proto tcp ct state invalid drop
ct state new ip daddr @service-cidrs drop
ct status dnat jump count
}
chain count-input {
type filter hook input priority 0; policy accept;
iifname != "lo" ct status dnat jump count
}
chain leave {
type filter hook output priority 0; policy accept;
ct state new ip daddr @service-cidrs drop
ct status dnat jump count
}
}
add chain ip nodeplane layout-7315fd2eb64f0330

`

exports[`test/proxy/nftables/layout.test.ts > TAP > the whole table > IPv6 1`] = `
table ip6 nodeplane {
map vips { typeof ip6 daddr . meta l4proto . th dport : meta priority; counter; }
map vips-inside { typeof ip6 daddr . meta l4proto . th dport : meta priority; counter; }
map nodeports { typeof meta l4proto . th dport : meta priority; }
map nodeports-inside { typeof meta l4proto . th dport : meta priority; }
map lb { typeof meta priority : verdict; }
map spread { typeof meta priority : verdict; }
map remember { typeof meta priority : verdict; }
set sticky-endpoints { typeof meta priority . ip6 daddr . th dport; }
map endpoints-tcp { typeof meta priority . numgen random mod 65536 : ip6 daddr . tcp dport; }
map affinity-tcp { typeof meta priority . numgen random mod 65536 : ip6 daddr; size 262144; flags dynamic,timeout; }
map affinity-port-tcp { typeof meta priority . numgen random mod 65536 : tcp dport; size 262144; flags dynamic,timeout; }
map endpoints-udp { typeof meta priority . numgen random mod 65536 : ip6 daddr . udp dport; }
map affinity-udp { typeof meta priority . numgen random mod 65536 : ip6 daddr; size 262144; flags dynamic,timeout; }
map affinity-port-udp { typeof meta priority . numgen random mod 65536 : udp dport; size 262144; flags dynamic,timeout; }
map endpoints-sctp { typeof meta priority . numgen random mod 65536 : ip6 daddr . sctp dport; }
map affinity-sctp { typeof meta priority . numgen random mod 65536 : ip6 daddr; size 262144; flags dynamic,timeout; }
map affinity-port-sctp { typeof meta priority . numgen random mod 65536 : sctp dport; size 262144; flags dynamic,timeout; }
set restricted { typeof ip6 daddr . meta l4proto . th dport; }
set source-ranges { typeof ip6 daddr . meta l4proto . th dport . ip6 saddr; flags interval; }
set cluster-ips { type ipv6_addr; }
set service-cidrs { type ipv6_addr; flags interval; }
set hairpins { type ipv6_addr . ipv6_addr; }
set node-addresses { type ipv6_addr; size 65536; flags dynamic; }
map masquerade-vips { typeof ip6 daddr . meta l4proto . th dport : verdict; }
map masquerade-nodeports { typeof meta l4proto . th dport : verdict; }
set traffic { typeof ip6 daddr . meta l4proto . th dport; counter; }
set traffic-nodeports { typeof meta l4proto . th dport; counter; }
chain refuse {
meta l4proto tcp reject with tcp reset
reject
}
chain ignore {
drop
}
chain sticky {
meta l4proto tcp dnat ip6 to meta priority . jhash ip6 saddr mod 4294967295 seed 0x1 map @affinity-tcp : meta priority . jhash ip6 saddr mod 4294967295 seed 0x1 map @affinity-port-tcp
meta l4proto udp dnat ip6 to meta priority . jhash ip6 saddr mod 4294967295 seed 0x1 map @affinity-udp : meta priority . jhash ip6 saddr mod 4294967295 seed 0x1 map @affinity-port-udp
meta l4proto sctp dnat ip6 to meta priority . jhash ip6 saddr mod 4294967295 seed 0x1 map @affinity-sctp : meta priority . jhash ip6 saddr mod 4294967295 seed 0x1 map @affinity-port-sctp
meta priority vmap @spread
}
chain services {
ip6 daddr . meta l4proto . th dport @restricted ip6 daddr . meta l4proto . th dport . ip6 saddr != @source-ranges ip6 daddr . meta l4proto . th dport @restricted goto ignore
meta priority set ip6 daddr . meta l4proto . th dport map @vips meta priority vmap @lb
ip6 daddr @cluster-ips goto refuse
ip6 daddr { fd00:50::1 } ip6 daddr != ::1 fib daddr type local meta priority set meta l4proto . th dport map @nodeports add @node-addresses { ip6 daddr } meta priority vmap @lb
}
chain services-inside {
ip6 daddr . meta l4proto . th dport @restricted ip6 daddr . meta l4proto . th dport . ip6 saddr != @source-ranges ip6 daddr . meta l4proto . th dport @restricted goto ignore
meta priority set ip6 daddr . meta l4proto . th dport map @vips-inside meta priority vmap @lb
meta priority set ip6 daddr . meta l4proto . th dport map @vips meta priority vmap @lb
ip6 daddr @cluster-ips goto refuse
ip6 daddr { fd00:50::1 } ip6 daddr != ::1 fib daddr type local meta priority set meta l4proto . th dport map @nodeports-inside add @node-addresses { ip6 daddr } meta priority vmap @lb
ip6 daddr { fd00:50::1 } ip6 daddr != ::1 fib daddr type local meta priority set meta l4proto . th dport map @nodeports add @node-addresses { ip6 daddr } meta priority vmap @lb
}
chain masquerade-cluster-ip {
ip6 saddr fd00:244::/32 return
masquerade fully-random
}
chain masquerade-all {
masquerade fully-random
}
chain masquerade-node {
ip6 saddr fd00:244::/32 return
fib saddr type local masquerade fully-random
}
chain masquerade-services {
ip6 saddr . ip6 daddr @hairpins masquerade fully-random
ct original ip6 daddr @cluster-ips goto masquerade-cluster-ip
meta l4proto { tcp, udp, sctp } ct original ip6 daddr . meta l4proto . ct original proto-dst vmap @masquerade-vips
ct original ip6 daddr @node-addresses meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst vmap @masquerade-nodeports
}
chain count {
meta l4proto { tcp, udp, sctp } ct original ip6 daddr . meta l4proto . ct original proto-dst @traffic return
ct original ip6 daddr @node-addresses meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst @traffic-nodeports
}
chain prerouting {
type nat hook prerouting priority -100; policy accept;
ip6 saddr fd00:244::/32 goto services-inside
goto services
}
chain output {
type nat hook output priority -100; policy accept;
ip6 daddr ::1 meta priority set meta l4proto . th dport map @nodeports-inside add @node-addresses { ip6 daddr } meta priority vmap @lb
ip6 daddr ::1 meta priority set meta l4proto . th dport map @nodeports add @node-addresses { ip6 daddr } meta priority vmap @lb
goto services-inside
}
chain postrouting {
type nat hook postrouting priority 100; policy accept;
ct status dnat jump masquerade-services
}
chain affinity-prerouting {
type filter hook prerouting priority -90; policy accept;
ct state new ct status dnat meta priority . ip6 daddr . th dport @sticky-endpoints meta priority vmap @remember
}
chain affinity-output {
type filter hook output priority -90; policy accept;
ct state new ct status dnat meta priority . ip6 daddr . th dport @sticky-endpoints meta priority vmap @remember
}
chain forward {
type filter hook forward priority 0; policy accept;
ct state new ip6 daddr @service-cidrs drop
ct status dnat jump count
}
chain count-input {
type filter hook input priority 0; policy accept;
iifname != "lo" ct status dnat jump count
}
chain leave {
type filter hook output priority 0; policy accept;
ct state new ip6 daddr @service-cidrs drop
ct status dnat jump count
}
chain localhost-prerouting {
type filter hook prerouting priority -90; policy accept;
ip6 daddr ::1 iifname != "lo" ct direction reply ct status dnat ip6 daddr set ct reply ip6 daddr
}
chain localhost-input {
type filter hook input priority 0; policy accept;
iifname != "lo" ct direction reply ct original ip6 saddr ::1 ip6 daddr set ::1
}
}
add chain ip6 nodeplane layout-35229f64fd5c34a1

`
