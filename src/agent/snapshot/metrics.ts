import { Counter, Gauge, type Metrics } from '#runtime/metrics.ts'

export type SnapshotMetrics = {
  readonly written: (octets: number, nowMs: number) => void
  readonly failed: () => void
}

/** @param ageMs of the state that is served from a snapshot; undefined: the state is the cluster's. */
export function createSnapshotMetrics(
  registry: Metrics,
  ageMs: () => number | undefined,
): SnapshotMetrics {
  const registers = [registry]
  new Gauge({
    name: 'nodeplane_snapshot_age_seconds',
    help: 'Age of the last known state that is served because the API server does not answer; 0 while its own is',
    registers,
    collect() {
      this.set((ageMs() ?? 0) / 1000)
    },
  })
  new Gauge({
    name: 'nodeplane_snapshot_stale',
    help: '1 while state from a snapshot is served',
    registers,
    collect() {
      this.set(ageMs() === undefined ? 0 : 1)
    },
  })
  const writtenAt = new Gauge({
    name: 'nodeplane_snapshot_last_write_timestamp_seconds',
    help: 'When the snapshot was written last, in seconds since the epoch; 0: not yet',
    registers,
  })
  const size = new Gauge({
    name: 'nodeplane_snapshot_size_bytes',
    help: 'Size of the snapshot that was written last',
    registers,
  })
  const failures = new Counter({
    name: 'nodeplane_snapshot_write_failures_total',
    help: 'Snapshots that could not be written',
    registers,
  })
  return {
    written(octets, nowMs) {
      writtenAt.set(nowMs / 1000)
      size.set(octets)
    },
    failed: () => failures.inc(),
  }
}
