import { setFlagsFromString } from 'node:v8'

/**
 * Makes V8 collect garbage earlier and keep its heap close to what is in use; to be called once, before much is allocated.
 * By default the young generation alone grows to 48 MiB and the heap to twice what lives: loading 10,000 Services from YAML
 * ended at 208 MiB resident, with this at 124.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--optimize-for-size')
}
