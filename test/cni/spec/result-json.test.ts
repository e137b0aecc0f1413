import fc from 'fast-check'
import t from 'tap'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import { renderResult, resultFrom } from '#cni/spec/result-json.ts'
import { type CniVersion, cniVersions } from '#cni/spec/version.ts'

/** One attachment as each version says it (CNI specification, section "Result"). */
const interfaces = [
  { name: 'cni0', mac: '02:00:00:00:00:01' },
  { name: 'veth0a1b2c3d', mac: '02:00:00:00:00:02' },
  { name: 'eth0', mac: '02:00:00:00:00:03', sandbox: '/var/run/netns/n1' },
]
const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]
const byFamily = {
  ip4: { ip: '10.22.0.5/24', gateway: '10.22.0.1', routes: [{ dst: '0.0.0.0/0' }] },
  ip6: { ip: 'fd00:22::5/64', gateway: 'fd00:22::1', routes: [{ dst: '::/0' }] },
  dns: {},
}
const ips = [
  { interface: 2, address: '10.22.0.5/24', gateway: '10.22.0.1' },
  { interface: 2, address: 'fd00:22::5/64', gateway: 'fd00:22::1' },
]
const oldIps = ips.map((ip, index) => ({ version: index === 0 ? '4' : '6', ...ip }))
const shapes: Readonly<Record<CniVersion, object>> = {
  '0.1.0': byFamily,
  '0.2.0': byFamily,
  '0.3.0': { interfaces, ips: oldIps, routes, dns: {} },
  '0.3.1': { interfaces, ips: oldIps, routes, dns: {} },
  '0.4.0': { interfaces, ips: oldIps, routes, dns: {} },
  '1.0.0': { interfaces, ips, routes },
  '1.1.0': { interfaces, ips, routes },
}

const read = (json: object) => resultFrom(configObjectFrom(json), '1.1.0')

for (const version of cniVersions) {
  t.test(`a result is printed in the shape of ${version}`, async t => {
    const result = read({ cniVersion: '1.1.0', ...shapes['1.1.0'] })
    const want = { cniVersion: version, ...shapes[version] }
    t.equal(JSON.stringify(renderResult(result, version)), JSON.stringify(want))
  })
  t.test(`the shape of ${version} is printed back as it was read`, async t => {
    const json = { cniVersion: version, ...shapes[version] }
    t.equal(JSON.stringify(renderResult(read(json), version)), JSON.stringify(json))
  })
}

t.test('from 0.2.0 upwards: ip4 first, then ip6, routes together, no interfaces', async t => {
  t.strictSame(renderResult(read({ cniVersion: '0.2.0', ...byFamily }), '1.0.0'), {
    cniVersion: '1.0.0',
    ips: ips.map(({ address, gateway }) => ({ address, gateway })),
    routes,
  })
})

t.test(
  '0.2.0 has room for the first address of a family only, and for routes by family',
  async t => {
    const json = {
      ips: [{ address: '10.0.0.1/24' }, { address: '10.0.0.2/24' }],
      routes: [{ dst: '10.1.0.0/16', gw: '10.0.0.9', mtu: 1400 }, { dst: 'fd00::/8' }],
    }
    t.strictSame(renderResult(read(json), '0.2.0'), {
      cniVersion: '0.2.0',
      ip4: { ip: '10.0.0.1/24', routes: [{ dst: '10.1.0.0/16', gw: '10.0.0.9' }] },
      dns: {},
    })
  },
)

t.test('what only 1.1.0 can say stays in 1.1.0 and is left out before 1.0.0', async t => {
  const json = {
    interfaces: [{ name: 'net1', mtu: 1400, socketPath: '/run/s', pciID: '0000:00:1f.6' }],
    ips: [{ interface: 0, address: '10.0.0.1/24' }],
    routes: [{ dst: '10.1.0.0/16', mtu: 1400, advmss: 1360, priority: 5, table: 100, scope: 0 }],
    dns: { nameservers: ['10.0.0.53'], domain: 'a', search: ['b'], options: ['ndots:5'] },
  }
  t.strictSame(renderResult(read(json), '1.1.0'), { cniVersion: '1.1.0', ...json })
  const old = renderResult(read(json), '0.4.0') as { interfaces: object[]; ips: object[] }
  t.strictSame(old.interfaces, [{ name: 'net1' }])
  t.strictSame(old.ips, [{ version: '4', interface: 0, address: '10.0.0.1/24' }])
})

t.test('a result without cniVersion takes the one of its configuration', async t => {
  const object = configObjectFrom({ ip4: { ip: '10.0.0.1/24' } })
  t.equal(resultFrom(object, '0.2.0').ips.length, 1)
  t.throws(() => resultFrom(object, '1.0.0'), { cniCode: 6, message: /^ip4: not in a result/ })
})

t.test('addresses become canonical and keep their host bits', async t => {
  const result = read({ ips: [{ address: 'FD00:0::5/64' }] })
  t.match(renderResult(result, '1.1.0'), { ips: [{ address: 'fd00::5/64' }] })
})

const broken: readonly { title: string; json: object; code: number; message: RegExp }[] = [
  { title: 'an unknown version', json: { cniVersion: '2.0.0' }, code: 6, message: /'2\.0\.0'/ },
  { title: 'ips that are no list', json: { ips: {} }, code: 6, message: /^ips must be a list/ },
  {
    title: 'an address of a wrong type',
    json: { ips: [{ address: 4 }] },
    code: 6,
    message: /^ips\[0\]\.address/,
  },
  { title: 'no address', json: { ips: [{}] }, code: 7, message: /^ips\[0\]\.address: is missing/ },
  {
    title: 'a route without destination',
    json: { routes: [{}] },
    code: 7,
    message: /^routes\[0\]\.dst/,
  },
  {
    title: 'an index as text',
    json: { ips: [{ address: '10.0.0.1/8', interface: '0' }] },
    code: 6,
    message: /interface/,
  },
  {
    title: 'ip4 as a list',
    json: { cniVersion: '0.2.0', ip4: [] },
    code: 6,
    message: /^ip4 must be an object/,
  },
]
for (const { title, json, code, message } of broken) {
  t.test(`refused: ${title}`, async t => {
    t.throws(() => read(json), { cniCode: code, message })
  })
}

t.test('reading what was printed changes nothing, in every version', async t => {
  const address = fc.oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
    fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
  )
  const ip = address.map(([ip, length]) => ({ address: `${ip}/${length}` }))
  const json = fc.record({ ips: fc.array(ip, { minLength: 1, maxLength: 4 }) })
  fc.assert(
    fc.property(json, fc.constantFrom(...cniVersions), (json, version) => {
      const printed = renderResult(read(json), version)
      return JSON.stringify(renderResult(read(printed), version)) === JSON.stringify(printed)
    }),
  )
  t.pass()
})
