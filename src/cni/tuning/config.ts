import { type MacAddress, parseMac } from '#net/mac.ts'
import { parseCniArgs } from '../spec/cni-args.ts'
import {
  booleanField,
  type ConfigObject,
  fieldPath,
  integerField,
  invalid,
  objectAt,
  objectField,
  stringField,
} from '../spec/config-object.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniConfig, CniRequest } from '../spec/plugin.ts'
import { type Sysctl, sysctlsFrom } from './sysctl.ts'

/** Attributes of a link that are changed; undefined ones stay as they are. */
export type LinkTuning = {
  readonly mac?: MacAddress | undefined
  readonly mtu?: number | undefined
  readonly isPromiscuous?: boolean | undefined
  readonly isAllMulticast?: boolean | undefined
  readonly txQueueLength?: number | undefined
}

export type TuningConfig = {
  readonly sysctls: readonly Sysctl[]
  readonly link: LinkTuning
}

/** The largest number in netlink's fields; what a link takes is for the kernel to say. */
const MAX_U32 = 0xffffffff

/**
 * What is to be tuned. `args.cni` beats runtimeConfig, which beats CNI_ARGS and the configuration; its sysctls come on top of
 * the configured ones.
 * @throws {CniError} code 4 (CNI_ARGS), 6 or 7.
 */
export function tuningConfigFrom(request: AttachmentRequest): TuningConfig {
  const { fields } = request.config
  const args = objectAt(fields, 'args', 'cni')
  const sources = args === undefined ? [fields] : [fields, args]
  return { sysctls: sysctlsFrom(request, sources), link: linkTuningOf(request, sources) }
}

/** The configuration without what only a call has. @throws {CniError} code 6 or 7 */
export function checkTuningConfig(request: CniRequest): void {
  tuningConfigFrom({ ...request, args: '', ifname: 'IFNAME' } as AttachmentRequest)
}

/** Folder of the files that keep what was before. It is all that DEL reads. @throws {CniError} code 6 */
export const dataDirOf = ({ fields }: CniConfig): string =>
  stringField(fields, 'dataDir') || '/run/cni/tuning'

function linkTuningOf(request: CniRequest, sources: readonly ConfigObject[]): LinkTuning {
  const last = <T>(read: (object: ConfigObject) => T | undefined): T | undefined =>
    sources.map(read).findLast(value => value !== undefined)
  const mtu = last(object => numberField(object, 'mtu'))
  return {
    mac: macOf(request),
    // As in the reference, 0 and false are no wishes here …
    mtu: mtu === 0 ? undefined : mtu,
    isPromiscuous: last(object => booleanField(object, 'promisc')) || undefined,
    // … and are here.
    isAllMulticast: last(object => booleanField(object, 'allmulti')),
    txQueueLength: last(object => numberField(object, 'txQLen')),
  }
}

function numberField(object: ConfigObject, key: string): number | undefined {
  const value = integerField(object, key)
  if (value === undefined || (value >= 0 && value <= MAX_U32)) return value
  throw invalid(object, key, `${value} is not 0–${MAX_U32}`)
}

/** The first wish counts, but all are read, so that what is malformed is an error also where it is overridden. */
function macOf({ config: { fields }, args }: CniRequest): MacAddress | undefined {
  const ofArgs = parseCniArgs(args, ['MAC']).get('MAC') || undefined
  if (ofArgs !== undefined && parseMac(ofArgs) === undefined) {
    throw new CniError(cniCodes.invalidEnvironment, `CNI_ARGS: MAC '${ofArgs}' is no MAC address`)
  }
  const places = [objectAt(fields, 'args', 'cni'), objectField(fields, 'runtimeConfig')]
  const wishes = [
    ...places.map(object => object && macField(object)),
    ofArgs === undefined ? undefined : parseMac(ofArgs),
    macField(fields),
  ]
  return wishes.find(wish => wish !== undefined)
}

function macField(object: ConfigObject): MacAddress | undefined {
  const text = stringField(object, 'mac')
  if (text === undefined || text === '') return undefined
  const mac = parseMac(text)
  if (mac !== undefined) return mac
  throw new CniError(
    cniCodes.invalidConfig,
    `${fieldPath(object, 'mac')}: '${text}' is not a MAC address`,
  )
}
