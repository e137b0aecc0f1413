import t from 'tap'
import { exec } from '#linux/exec.ts'
import { callBridge } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, hostLocal, leasesIn, linksOf } from '../helper/cni-network.ts'
import { TestNamespace } from '../helper/namespace.ts'

/*
 * Bridges that keep VLANs apart. Where the kernel has none (CONFIG_BRIDGE_VLAN_FILTERING), all there is to see is how that
 * is said; user-mode Linux has them. The tests are awaited: there other files follow in the same process.
 */

const isSupported = await (async () => {
  await using host = await TestNamespace.create('probe')
  try {
    await host.ip('link add br0 type bridge vlan_filtering 1')
    return true
  } catch {
    return false
  }
})()

type PortOf = { readonly ifname: string; readonly vlans: readonly VlanOf[] }
type VlanOf = {
  readonly vlan: number
  readonly vlanEnd?: number
  readonly flags?: readonly string[]
}

/** `10 PVID untagged, 20, 21` */
async function vlansOf(host: TestNamespace, port: string): Promise<string> {
  const { stdout } = await exec('bridge', ['-n', host.name, '-j', 'vlan', 'show', 'dev', port])
  const [found] = JSON.parse(stdout) as PortOf[]
  return (found?.vlans ?? [])
    .map(({ vlan, vlanEnd, flags = [] }) => {
      const name = vlanEnd === undefined ? `${vlan}` : `${vlan}-${vlanEnd}`
      return [name, ...flags.map(flag => flag.replace('Egress Untagged', 'untagged'))].join(' ')
    })
    .join(', ')
}

const nothing = { exitCode: 0, json: {}, stderr: '' }

if (!isSupported) {
  await t.test('a kernel without VLANs of bridges: refused, and nothing is left', async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const dataDir = t.testdir({ net: {} })
    for (const fields of [{ vlan: 10 }, { vlanTrunk: [{ minID: 20, maxID: 22 }] }]) {
      // Made by the plugin, and there before.
      for (const bridge of ['cni0', 'cni1']) {
        if (bridge === 'cni1') await host.ip('link add cni1 type bridge').catch(() => {})
        const config = bridgeConfig(dataDir, { ...fields, bridge })
        t.match(await callBridge('ADD', config, pod.path), {
          exitCode: 1,
          json: { code: 2, msg: /vlan, vlanTrunk: not supported by the bridges of this kernel/ },
        })
        t.same(await callBridge('DEL', config, pod.path), nothing)
      }
    }
    t.same(await linksOf(host), ['cni1'])
    t.same(await linksOf(pod), [])
    t.same(leasesIn(dataDir), [])
  })
} else {
  const memberships = [
    { fields: { vlan: 10 }, want: '10 PVID untagged' },
    { fields: { vlan: 10, preserveDefaultVlan: true }, want: '1 untagged, 10 PVID untagged' },
    {
      fields: { vlan: 10, vlanTrunk: [{ minID: 20, maxID: 22 }] },
      want: '10 PVID untagged, 20, 21, 22',
    },
    { fields: { vlanTrunk: [{ id: 20 }, { id: 22 }] }, want: '1 PVID untagged, 20, 22' },
  ]
  await t.test("a port's VLANs are as configured; CHECK sees when they are not", async t => {
    await using host = await enterHost()
    for (const [index, { fields, want }] of memberships.entries()) {
      await using pod = await TestNamespace.create('pod')
      const config = bridgeConfig(t.testdirName, { ...fields, ipam: {}, isDefaultGateway: false })
      const containerId = `c${index}`
      const added = await callBridge('ADD', config, pod.path, { containerId })
      t.equal(added.exitCode, 0, JSON.stringify(added.json))
      const [, port] = added.json['interfaces'] as { name: string }[]
      t.equal(await vlansOf(host, port?.name ?? ''), want)
      const check = { ...config, prevResult: added.json }
      t.same(await callBridge('CHECK', check, pod.path, { containerId }), nothing)
      await exec('bridge', [
        '-n',
        host.name,
        'vlan',
        'del',
        'dev',
        port?.name ?? '',
        'vid',
        '1-4000',
      ])
      t.match(await callBridge('CHECK', check, pod.path, { containerId }), { exitCode: 1 })
      t.same(await callBridge('DEL', config, pod.path, { containerId }), nothing)
    }
    t.match(await host.ip('-d link show cni0'), 'vlan_filtering 1')
  })

  await t.test(
    'containers of a VLAN reach each other and their gateway, not those of another',
    async t => {
      await using host = await enterHost()
      await using a = await TestNamespace.create('a')
      await using b = await TestNamespace.create('b')
      await using c = await TestNamespace.create('c')
      // There before, without VLANs.
      await host.ip('link add cni0 type bridge')
      const dataDir = t.testdir()
      const ten = bridgeConfig(dataDir, { vlan: 10, ipam: hostLocal(dataDir, ['10.22.0.0/24']) })
      const twenty = {
        ...ten,
        name: 'other',
        vlan: 20,
        ipam: hostLocal(dataDir, ['10.22.20.0/24']),
      }
      const added = await callBridge('ADD', ten, a.path, { containerId: 'a' })
      t.equal(added.exitCode, 0, JSON.stringify(added.json))
      t.match(added.json['interfaces'], [
        { name: 'cni0' },
        {},
        { name: 'eth0' },
        { name: 'cni0.10' },
      ])
      t.equal((await callBridge('ADD', ten, b.path, { containerId: 'b' })).exitCode, 0)
      t.equal((await callBridge('ADD', twenty, c.path, { containerId: 'c' })).exitCode, 0)
      t.match(await host.ip('address show cni0.10'), 'inet 10.22.0.1/24')
      t.notMatch(await host.ip('address show cni0'), 'inet 10.')
      t.equal((await linksOf(host)).length, 1 + 3 + 2 * 2, 'one pair for each gateway')

      const reaches = (from: TestNamespace, address: string) =>
        from.exec('ping', ['-c', '1', '-W', '1', address]).then(
          () => true,
          () => false,
        )
      t.ok(await reaches(a, '10.22.0.1'))
      t.ok(await reaches(a, '10.22.0.3'))
      t.ok(await reaches(c, '10.22.20.1'))
      // On one wire, but for the VLANs.
      await c.ip('address add 10.22.0.99/24 dev eth0')
      t.notOk(await reaches(a, '10.22.0.99'))

      for (const [containerId, pod] of Object.entries({ a, b })) {
        t.same(await callBridge('DEL', ten, pod.path, { containerId }), nothing)
      }
      t.ok((await linksOf(host)).includes('cni0.10'), 'the gateway stays')
    },
  )
}
