import { answerFrom } from '../../authority/answer.ts'
import { ZoneSet } from '../../authority/zone-set.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition, SetupContext } from '../../plugin.ts'
import { WatchedFile } from '../watched-file.ts'
import { type FileOptions, parseFile } from './options.ts'
import { MAX_ZONE_OCTETS, readZoneText } from './read-zone.ts'

/** `file`: zones with authority, from zone files. */
export const file: PluginDefinition = {
  name: 'file',
  repeatable: true,
  async setup(directives, context) {
    const zones = new ZoneSet()
    const files: WatchedFile[] = []
    for (const directive of directives) {
      for (const options of perZone(parseFile(directive, context))) {
        files.push(await openZone(directive, options, { zones, context }))
      }
    }
    return {
      name: 'file',
      transfers: zones.transfers,
      wrap: next => (query, signal) =>
        answerFrom(zones.zones, { query, signal, next, lookup: context.lookup }),
      start() {
        for (const watched of files) watched.start()
      },
      stop() {
        for (const watched of files) watched.stop()
      },
    }
  },
}

type ZoneFileOptions = FileOptions & { readonly zone: string }

/** One file may be of several zones: names without a final dot are below each. */
const perZone = (options: FileOptions): readonly ZoneFileOptions[] =>
  options.zones.map(zone => ({ ...options, zone }))

/**
 * Reads the file and serves it; a later version that cannot be read leaves the former one in use. A file that is not there yet is
 * waited for.
 * @throws {ConfigError} the file cannot be read as a zone.
 */
async function openZone(
  directive: Directive,
  options: ZoneFileOptions,
  { zones, context }: { readonly zones: ZoneSet; readonly context: SetupContext },
): Promise<WatchedFile> {
  const { zone, path, fallthrough } = options
  let failure: string | undefined
  const watched = new WatchedFile({
    path,
    intervalMs: options.reloadMs,
    maxOctets: MAX_ZONE_OCTETS,
    onText(text) {
      const data = readZoneText({ text, path, origin: zone })
      const former = zones.data(zone)
      if (former?.serial === data.serial && !options.reloadsByMtime) {
        context.log.warn({ path, zone }, 'file: changed without another SOA serial, not served')
        return
      }
      zones.set(zone, { data, fallthrough })
    },
    onFailure(reason) {
      failure = reason
      context.log.error({ path, zone, reason }, 'file: cannot be served, a former version stays')
    },
  })
  zones.set(zone, { data: undefined, fallthrough })
  await watched.look()
  const waitsForFile = options.reloadMs > 0 && failure?.startsWith('ENOENT') === true
  if (failure !== undefined && !waitsForFile) throw directiveError(directive, failure)
  return watched
}
