import type { PortVlan } from '#linux/netlink/bridge-vlan.ts'
import {
  booleanField,
  type ConfigObject,
  integerField,
  invalid,
  objectsField,
} from '../spec/config-object.ts'

/** The VLAN that a bridge puts new ports into (IFLA_BR_VLAN_DEFAULT_PVID). */
export const DEFAULT_VLAN = 1

/** Which VLANs the container's port is to be in. */
export type PortVlans = {
  /** The VLAN of frames without a tag, when it is configured: the gateway is in it. */
  readonly access: number | undefined
  /** To be added to those the port is in. */
  readonly add: readonly PortVlan[]
  /** Is the port to leave the bridge's default VLAN? */
  readonly leavesDefault: boolean
}

/** The interface that has the gateway's addresses in a VLAN; the reference's name for it. */
export const vlanGatewayName = (bridge: string, vlan: number): string => `${bridge}.${vlan}`

/**
 * The port's VLANs by `vlan`, `vlanTrunk` and `preserveDefaultVlan`; undefined when neither of the first two says anything:
 * then the port is as the bridge makes it. A trunk without `vlan` has VLAN 1 for frames without a tag.
 * @throws {CniError} code 6 or 7
 */
export function portVlansFrom(fields: ConfigObject): PortVlans | undefined {
  const preserves = booleanField(fields, 'preserveDefaultVlan') ?? false
  const vlan = integerField(fields, 'vlan') ?? 0
  if (vlan < 0 || vlan > 4094) throw invalid(fields, 'vlan', `${vlan} is not a VLAN, 0–4094`)
  const trunk = new Set(objectsField(fields, 'vlanTrunk').flatMap(trunkIds))
  if (vlan === 0 && trunk.size === 0) return undefined
  const native = vlan === 0 ? DEFAULT_VLAN : vlan
  const tagged = [...trunk].filter(id => id !== native).sort((a, b) => a - b)
  return {
    access: vlan === 0 ? undefined : vlan,
    add: [
      { id: native, isPvid: true, isUntagged: true },
      ...tagged.map(id => ({ id, isPvid: false, isUntagged: false })),
    ],
    leavesDefault: !preserves && native !== DEFAULT_VLAN && !trunk.has(DEFAULT_VLAN),
  }
}

/** The VLANs of `{ id }`, `{ minID, maxID }`, or both. @throws {CniError} code 6 or 7 */
function trunkIds(item: ConfigObject): readonly number[] {
  const [id, min, max] = ['id', 'minID', 'maxID'].map(key => vlanId(item, key))
  if ((min === undefined) !== (max === undefined)) {
    throw invalid(item, min === undefined ? 'minID' : 'maxID', 'minID and maxID belong together')
  }
  if (min !== undefined && max !== undefined && min > max) {
    throw invalid(item, 'minID', `${min} is above maxID ${max}`)
  }
  const range =
    min === undefined || max === undefined
      ? []
      : Array.from({ length: max - min + 1 }, (_, n) => min + n)
  return id === undefined ? range : [id, ...range]
}

function vlanId(item: ConfigObject, key: string): number | undefined {
  const id = integerField(item, key)
  if (id !== undefined && (id < 1 || id > 4094)) {
    throw invalid(item, key, `${id} is not a VLAN, 1–4094`)
  }
  return id
}
