import { setFlagsFromString } from 'node:v8'

/**
 * Trades a little garbage collection for much memory; for processes that stay, to be called first thing. While a cluster is
 * read V8 lets its young generation grow to 48 MiB and keeps it, and lets garbage double the old one. With this the young
 * one stays at its first size, and the old one is collected when it has grown a little. (--heap-growing-percent=30 in its place saves a
 * third of the CPU of a forwarded DNS query and costs the agent 20 to 40 MiB at 10,000 Services.) 10,000 Services and EndpointSlices
 * take 60 MiB less from an API server, 100 less from YAML (bench/cluster-memory-*.ts).
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--optimize-for-size')
}
