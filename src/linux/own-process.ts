import { writeFileSync } from 'node:fs'

/**
 * How willingly the kernel kills this process when memory runs out (proc(5), oom_score_adj): −1000 never, 1000 first.
 * @throws the system error: lowering it needs CAP_SYS_RESOURCE.
 */
export const setOomScoreAdj = (value: number): void =>
  writeFileSync('/proc/self/oom_score_adj', String(value))
