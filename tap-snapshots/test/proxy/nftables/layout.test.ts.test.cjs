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
map nodeports { typeof meta l4proto . th dport : meta priority; }
map lb { typeof meta priority : verdict; }
map endpoints-tcp { typeof meta priority . numgen random mod 65536 : ip daddr . tcp dport; }
map endpoints-udp { typeof meta priority . numgen random mod 65536 : ip daddr . udp dport; }
map endpoints-sctp { typeof meta priority . numgen random mod 65536 : ip daddr . sctp dport; }
set cluster-ips { type ipv4_addr; }
set hairpins { type ipv4_addr . ipv4_addr; }
set masquerade-nodeports { typeof meta l4proto . th dport; }
chain refuse {
meta l4proto tcp reject with tcp reset
reject
}
chain ignore {
drop
}
chain services {
meta priority set ip daddr . meta l4proto . th dport map @vips meta priority vmap @lb
ip daddr @cluster-ips goto refuse
ip daddr != 127.0.0.0/8 fib daddr type local meta priority set meta l4proto . th dport map @nodeports meta priority vmap @lb
}
chain masquerade-cluster-ip {
ip saddr != 10.244.0.0/16 masquerade fully-random
}
chain masquerade-services {
ip saddr . ip daddr @hairpins masquerade fully-random
ct original ip daddr @cluster-ips goto masquerade-cluster-ip
meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst @masquerade-nodeports masquerade fully-random
}
chain prerouting {
type nat hook prerouting priority -100; policy accept;
jump services
}
chain output {
type nat hook output priority -100; policy accept;
jump services
}
chain postrouting {
type nat hook postrouting priority 100; policy accept;
ct status dnat jump masquerade-services
}
chain layout-971dba15d376f665 {
}
}

`

exports[`test/proxy/nftables/layout.test.ts > TAP > the whole table > IPv6 1`] = `
table ip6 nodeplane {
map vips { typeof ip6 daddr . meta l4proto . th dport : meta priority; counter; }
map nodeports { typeof meta l4proto . th dport : meta priority; }
map lb { typeof meta priority : verdict; }
map endpoints-tcp { typeof meta priority . numgen random mod 65536 : ip6 daddr . tcp dport; }
map endpoints-udp { typeof meta priority . numgen random mod 65536 : ip6 daddr . udp dport; }
map endpoints-sctp { typeof meta priority . numgen random mod 65536 : ip6 daddr . sctp dport; }
set cluster-ips { type ipv6_addr; }
set hairpins { type ipv6_addr . ipv6_addr; }
set masquerade-nodeports { typeof meta l4proto . th dport; }
chain refuse {
meta l4proto tcp reject with tcp reset
reject
}
chain ignore {
drop
}
chain services {
meta priority set ip6 daddr . meta l4proto . th dport map @vips meta priority vmap @lb
ip6 daddr @cluster-ips goto refuse
ip6 daddr { fd00:50::1/128 } ip6 daddr != ::1 fib daddr type local meta priority set meta l4proto . th dport map @nodeports meta priority vmap @lb
}
chain masquerade-cluster-ip {
ip6 saddr != fd00:244::/32 masquerade fully-random
}
chain masquerade-services {
ip6 saddr . ip6 daddr @hairpins masquerade fully-random
ct original ip6 daddr @cluster-ips goto masquerade-cluster-ip
meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst @masquerade-nodeports masquerade fully-random
}
chain prerouting {
type nat hook prerouting priority -100; policy accept;
jump services
}
chain output {
type nat hook output priority -100; policy accept;
jump services
}
chain postrouting {
type nat hook postrouting priority 100; policy accept;
ct status dnat jump masquerade-services
}
chain layout-ef80127d2d6adc99 {
}
}

`
