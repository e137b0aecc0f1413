import { answerFrom } from '../../authority/answer.ts'
import { ZoneSet } from '../../authority/zone-set.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { parseAuto } from './options.ts'
import { ZoneFolder } from './zone-folder.ts'

/** `auto`: zones with authority, from all zone files of a folder. */
export const auto: PluginDefinition = {
  name: 'auto',
  repeatable: true,
  async setup(directives, context) {
    const zones = new ZoneSet()
    const all = directives.map(directive => parseAuto(directive, context))
    const folders = all.map(options => new ZoneFolder(options, zones, context.log))
    for (const folder of folders) await folder.look()
    const timers = new Set<NodeJS.Timeout>()
    let isStopped = false
    const schedule = (folder: ZoneFolder, ms: number): void => {
      if (ms === 0 || isStopped) return
      const timer = setTimeout(() => {
        timers.delete(timer)
        void folder.look().then(() => schedule(folder, ms))
      }, ms)
      timer.unref()
      timers.add(timer)
    }
    return {
      name: 'auto',
      transfers: zones.transfers,
      wrap: next => (query, signal) =>
        answerFrom(zones.zones, { query, signal, next, lookup: context.lookup }),
      start() {
        for (const [index, folder] of folders.entries()) schedule(folder, all[index]?.reloadMs ?? 0)
      },
      stop() {
        isStopped = true
        for (const timer of timers) clearTimeout(timer)
      },
    }
  },
}
