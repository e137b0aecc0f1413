import t from 'tap'
import { portVlansFrom } from '#cni/bridge/vlans.ts'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import { CniError } from '#cni/spec/error.ts'

/** Memberships as text: `10*` is the VLAN of frames without a tag, `20t` one with. */
const planOf = (fields: object): string | undefined => {
  const vlans = portVlansFrom(configObjectFrom(fields))
  const add = vlans?.add.map(({ id, isPvid, isUntagged }) => {
    return `${id}${isPvid && isUntagged ? '*' : ''}${isPvid || isUntagged ? '' : 't'}`
  })
  return add && `${vlans?.leavesDefault ? '-1 ' : ''}${add.join(' ')}`
}

const plans: readonly { title: string; fields: object; want: string | undefined }[] = [
  { title: 'nothing configured: the port stays as it is', fields: {}, want: undefined },
  {
    title: 'VLAN 0 and an empty trunk are nothing',
    fields: { vlan: 0, vlanTrunk: [], preserveDefaultVlan: true },
    want: undefined,
  },
  { title: 'a VLAN: only that, without a tag', fields: { vlan: 10 }, want: '-1 10*' },
  {
    title: 'a VLAN beside the default one',
    fields: { vlan: 10, preserveDefaultVlan: true },
    want: '10*',
  },
  {
    title: 'a VLAN and a trunk',
    fields: { vlan: 10, vlanTrunk: [{ minID: 20, maxID: 22 }] },
    want: '-1 10* 20t 21t 22t',
  },
  {
    title: 'a trunk alone: VLAN 1 without a tag',
    fields: { vlanTrunk: [{ minID: 20, maxID: 22 }] },
    want: '1* 20t 21t 22t',
  },
  {
    title: 'ids and ranges that overlap are taken once, in order',
    fields: { vlan: 10, vlanTrunk: [{ id: 30 }, { id: 12, minID: 10, maxID: 12 }] },
    want: '-1 10* 11t 12t 30t',
  },
  {
    title: 'a trunk with VLAN 1 keeps it',
    fields: { vlan: 10, vlanTrunk: [{ id: 1 }] },
    want: '10* 1t',
  },
  { title: 'VLAN 1 itself', fields: { vlan: 1 }, want: '1*' },
  { title: 'keys in any case', fields: { VLAN: 10, vlantrunk: [{ ID: 20 }] }, want: '-1 10* 20t' },
]
for (const { title, fields, want } of plans) {
  t.test(title, async t => t.equal(planOf(fields), want))
}

const refused: readonly { title: string; fields: object; code: number; message: string }[] = [
  { title: 'a VLAN below 0', fields: { vlan: -1 }, code: 7, message: 'vlan: -1' },
  { title: 'a VLAN above 4094', fields: { vlan: 4095 }, code: 7, message: 'vlan: 4095' },
  { title: 'a VLAN as text', fields: { vlan: '10' }, code: 6, message: 'vlan' },
  {
    title: 'VLAN 0 in a trunk',
    fields: { vlanTrunk: [{ id: 1 }, { id: 0 }] },
    code: 7,
    message: 'vlanTrunk[1].id: 0',
  },
  {
    title: 'a range that ends above 4094',
    fields: { vlanTrunk: [{ minID: 1, maxID: 4095 }] },
    code: 7,
    message: 'vlanTrunk[0].maxID: 4095',
  },
  {
    title: 'a range without an end',
    fields: { vlanTrunk: [{ minID: 5 }] },
    code: 7,
    message: 'vlanTrunk[0].maxID: minID and maxID belong together',
  },
  {
    title: 'a range without a beginning',
    fields: { vlanTrunk: [{ maxID: 5 }] },
    code: 7,
    message: 'vlanTrunk[0].minID: minID and maxID belong together',
  },
  {
    title: 'a range backwards',
    fields: { vlanTrunk: [{ minID: 6, maxID: 5 }] },
    code: 7,
    message: 'vlanTrunk[0].minID: 6 is above maxID 5',
  },
  { title: 'a trunk that is no list', fields: { vlanTrunk: 5 }, code: 6, message: 'vlanTrunk' },
]
for (const { title, fields, code, message } of refused) {
  t.test(`refused: ${title}`, async t => {
    try {
      planOf(fields)
      t.fail('accepted')
    } catch (error) {
      if (!(error instanceof CniError)) throw error
      t.match({ cniCode: error.cniCode, message: error.message }, { cniCode: code, message })
    }
  })
}
