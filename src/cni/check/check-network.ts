import { isMap, LineCounter, parseDocument } from 'yaml'
import { parsePath, placeOf } from '#runtime/config-file.ts'
import type { ConfigProblem } from '#runtime/error.ts'
import { bandwidthConfigFrom } from '../bandwidth/config.ts'
import { bridgeConfigFrom } from '../bridge/config.ts'
import { firewallConfigFrom } from '../firewall/config.ts'
import { hostLocalConfigFrom } from '../host-local/config.ts'
import { isPluginName, pluginNames } from '../plugins.ts'
import { portmapConfigFrom } from '../portmap/config.ts'
import { ptpConfigFrom } from '../ptp/config.ts'
import { sbrConfigFrom } from '../sbr/config.ts'
import {
  type ConfigObject,
  configObjectFrom,
  objectsField,
  stringField,
} from '../spec/config-object.ts'
import { duplicateKeys } from '../spec/duplicate-keys.ts'
import { isCniName } from '../spec/environment.ts'
import { CniError } from '../spec/error.ts'
import { ipamTypeOf } from '../spec/ipam.ts'
import type { CniRequest } from '../spec/plugin.ts'
import { requestFrom } from '../spec/request.ts'
import { cniVersions, isCniVersion, newestCniVersion } from '../spec/version.ts'
import { staticResultFrom } from '../static/config.ts'
import { checkTuningConfig } from '../tuning/config.ts'
import { vrfConfigFrom } from '../vrf/config.ts'
import { findJsonFault } from './json-fault.ts'

export type NetworkFindings = {
  /** A runtime, or a plugin of ours, refuses the file for these. */
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigProblem[]
}

/** Reads the configuration of a plugin as a call would. @throws {CniError} what a call would be answered. */
const readers: Readonly<Record<string, (request: CniRequest) => unknown>> = {
  bandwidth: ({ config }) => bandwidthConfigFrom(config),
  bridge: bridgeConfigFrom,
  firewall: ({ config }) => firewallConfigFrom(config),
  portmap: ({ config }) => portmapConfigFrom(config),
  ptp: ptpConfigFrom,
  sbr: ({ config }) => sbrConfigFrom(config),
  tuning: checkTuningConfig,
  vrf: ({ config }) => vrfConfigFrom(config),
}

/** Of address plugins, which are called with the configuration that names them. */
const ipamReaders: Readonly<Record<string, (request: CniRequest) => unknown>> = {
  'host-local': ({ config }) => hostLocalConfigFrom(config),
  static: staticResultFrom,
}

/**
 * What is wrong with a network configuration (`.conflist`, or `.conf` with a single plugin; CNI specification 1.1.0, section 1),
 * each with line, column and field. Nothing is called.
 */
export function checkNetwork(text: string, file: string): NetworkFindings {
  const syntax = syntaxProblem(text, file)
  if (syntax !== undefined) return { problems: [syntax], warnings: [] }
  const place = placer(text, file)
  const problems: ConfigProblem[] = []
  const warnings = duplicateKeys(text).map(({ path, key }) =>
    place([path, key].filter(part => part !== '').join('.'), 'is there twice: the last one counts'),
  )
  const collect = (prefix: string, read: () => unknown): void => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof CniError)) throw error
      problems.push(placed(error.message, prefix, place))
    }
  }
  collect('', () => {
    const list = configObjectFrom(JSON.parse(text), 'the configuration')
    const isList = list.values.has('plugins')
    problems.push(...headProblems(list, place))
    const plugins = isList ? objectsField(rooted(list), 'plugins') : [rooted(list)]
    if (plugins.length === 0) problems.push(place('plugins', 'must hold at least one plugin'))
    for (const [index, plugin] of plugins.entries()) {
      const prefix = isList ? `plugins[${index}]` : ''
      const type = stringField(plugin, 'type') ?? ''
      if (type === '')
        problems.push(place(prefix === '' ? 'type' : `${prefix}.type`, 'must name a plugin'))
      else if (!isPluginName(type)) {
        const message = `'${type}' is no plugin of ours (${pluginNames.join(', ')}): its executable must be there`
        warnings.push(place(prefix === '' ? 'type' : `${prefix}.type`, message))
      } else collect(prefix, () => readPlugin(type, plugin, list))
    }
  })
  return { problems, warnings }
}

/** Messages then begin with the field alone. */
const rooted = (list: ConfigObject): ConfigObject => ({ ...list, path: '' })

/** As a runtime calls it: with the name and version of the list. */
function readPlugin(type: string, { values }: ConfigObject, list: ConfigObject): void {
  const version = list.values.get('cniversion')
  const fields: ConfigObject = {
    path: '',
    values: new Map([
      ...values,
      ['name', 'network'],
      [
        'cniversion',
        typeof version === 'string' && isCniVersion(version) ? version : newestCniVersion,
      ],
    ]),
  }
  const environment = {
    verb: 'STATUS',
    args: '',
    pluginPath: [],
    containerId: '',
    ifname: '',
    netns: '',
    netnsOverride: false,
  } as const
  const raw = { stdin: new Uint8Array(), env: {} }
  const request = requestFrom(environment, fields, cniVersions, raw)
  readers[type]?.(request)
  ipamReaders[ipamTypeOf(request.config) ?? '']?.(request)
}

type Place = (field: string, message: string) => ConfigProblem

function headProblems(list: ConfigObject, place: Place): readonly ConfigProblem[] {
  const name = stringField(list, 'name') ?? ''
  const version = stringField(list, 'cniVersion') ?? ''
  return [
    ...(isCniName(name)
      ? []
      : [
          place(
            'name',
            `'${name}': must be letters, digits, '_', '.', '-' and begin with a letter or digit`,
          ),
        ]),
    ...(version === '' || isCniVersion(version)
      ? []
      : [place('cniVersion', `'${version}' is none of ${cniVersions.join(', ')}`)]),
  ]
}

/** Messages of plugins begin with the field's path: `ipam.ranges[0]: …`. */
function placed(message: string, prefix: string, place: Place): ConfigProblem {
  const [, field = '', why = message] =
    /^((?:[A-Za-z][\w-]*)(?:[.[][\w.[\]-]*)?):? (.*)$/s.exec(message) ?? []
  const path = [prefix, field].filter(part => part !== '').join('.')
  return place(path, why)
}

/** JSON is YAML, whose parser tells places. A field that is not there is shown where its object stands. */
function placer(text: string, file: string): Place {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false })
  return (field, message) => {
    const place = isMap(document.contents) ? placeOf(document, lines, parsePath(field)) : {}
    return { file, line: 1, column: 1, ...place, field, message }
  }
}

function syntaxProblem(text: string, file: string): ConfigProblem | undefined {
  const fault = findJsonFault(text)
  if (fault === undefined) return undefined
  const before = text.slice(0, fault.offset).split('\n')
  const column = (before.at(-1)?.length ?? 0) + 1
  return { file, line: before.length, column, message: `not JSON: here must be ${fault.wanted}` }
}
