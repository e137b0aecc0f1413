import type { Facts } from './facts.ts'
import type { Finding } from './finding.ts'

/** Looks at the facts for one thing that can be wrong. Pure. */
export type Cause = (facts: Facts) => Finding | undefined
