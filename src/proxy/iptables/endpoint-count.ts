import type { ServicePortState } from '../change-tracker.ts'

/** With more endpoints than these (kube-proxy's number) most rules go without a comment: it takes time and memory. */
export const MAX_COMMENTED_ENDPOINTS = 1000

/** Endpoints of a Service's ports, usable or not, each counted once for each port it serves. */
export const countEndpoints = (ports: readonly ServicePortState[]): number =>
  ports.reduce((count, { allEndpoints }) => count + allEndpoints.length, 0)
