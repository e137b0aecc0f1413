import { resolve } from 'node:path'
import { compileWanted } from '../selection.ts'
import type { Source, SourceOptions } from '../source.ts'
import { DirectoryMirror } from './directory-mirror.ts'
import { DirectoryWatch, defaultWatchTiming, type WatchTiming } from './watch-directory.ts'

/**
 * The objects of a directory of YAML and JSON files, watched (docs/manifests.md). What controllers of a cluster would add
 * is added: EndpointSlices for Services with a selector and for Endpoints, Namespaces that are used.
 * @throws {SelectorError} `wanted` has a selector that the API would refuse.
 */
export function manifestSource(
  directory: string,
  { wanted, log }: SourceOptions,
  timing: WatchTiming = defaultWatchTiming,
): Source {
  const origin = resolve(directory)
  const filters = compileWanted(wanted)
  return {
    origin,
    run: async (store, signal) => {
      using watch = new DirectoryWatch(origin, timing)
      const mirror = new DirectoryMirror({ directory: origin, filters, log, store })
      while (!signal.aborted) {
        watch.arm()
        try {
          await mirror.look(signal)
        } catch (error) {
          if (!signal.aborted) throw error
        }
        await watch.changed(signal)
      }
    },
  }
}
