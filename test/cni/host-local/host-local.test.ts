import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hostLocal } from '#cni/host-local/host-local.ts'
import { lockFile } from '#linux/file-lock.ts'
import { systemClock } from '#runtime/clock.ts'
import { callPlugin, cniEnv, type TestAnswer } from '../../helper/cni.ts'

/** A node's store, and calls on it. */
class NodeStore {
  readonly dataDir: string
  constructor(t: Test) {
    this.dataDir = t.testdir()
  }
  get folder(): string {
    return join(this.dataDir, 'net1')
  }
  /** The files of the store by name, without the lock. */
  get files(): Record<string, string> {
    const names = readdirSync(this.folder).filter(name => name !== 'lock')
    return Object.fromEntries(names.map(n => [n, readFileSync(join(this.folder, n), 'utf8')]))
  }
  config(ipam: object = { subnet: '10.22.0.0/29' }, more: object = {}): object {
    const dataDir = this.dataDir
    const whole = { type: 'host-local', dataDir, ...ipam }
    return { cniVersion: '1.1.0', name: 'net1', type: 'bridge', ipam: whole, ...more }
  }
  call(command: string, id: string, config = this.config(), env: NodeJS.ProcessEnv = {}) {
    const variables = { CNI_COMMAND: command, CNI_CONTAINERID: id, ...env }
    return callPlugin(hostLocal, { env: cniEnv(variables), config })
  }
  async add(id: string, ...rest: [config?: object, env?: NodeJS.ProcessEnv]): Promise<string[]> {
    const { json, exitCode } = await this.call('ADD', id, ...rest)
    if (exitCode !== 0) throw new Error(JSON.stringify(json))
    return (json as { ips: { address: string }[] }).ips.map(({ address }) => address)
  }
}

t.test(
  'ADD answers with address, gateway, routes and dns, and writes the files of the reference',
  async t => {
    const node = new NodeStore(t)
    const resolvConf = join(t.testdirName, 'resolv.conf')
    writeFileSync(resolvConf, 'nameserver 192.0.2.53\nsearch example.org\n')
    const routes = [{ dst: '0.0.0.0/0' }, { dst: '10.9.0.0/16', gw: '10.22.0.1', mtu: 1400 }]
    const ranges = [
      [{ subnet: '10.22.0.0/29' }],
      [{ subnet: 'fd00:22::/64', gateway: 'fd00:22::ff' }],
    ]
    const { json } = await node.call('ADD', 'a', node.config({ ranges, routes, resolvConf }))
    t.strictSame(json, {
      cniVersion: '1.1.0',
      ips: [
        { address: '10.22.0.2/29', gateway: '10.22.0.1' },
        { address: 'fd00:22::1/64', gateway: 'fd00:22::ff' },
      ],
      routes,
      dns: { nameservers: ['192.0.2.53'], search: ['example.org'] },
    })
    t.strictSame(node.files, {
      '10.22.0.2': 'a\r\neth0',
      'fd00:22::1': 'a\r\neth0',
      'last_reserved_ip.0': '10.22.0.2',
      'last_reserved_ip.1': 'fd00:22::1',
    })
    t.equal(statSync(node.folder).mode & 0o777, 0o755)
    t.equal(statSync(join(node.folder, '10.22.0.2')).mode & 0o777, 0o600)
  },
)

t.test('DEL frees what this interface holds, again and again, and leaves the others', async t => {
  const node = new NodeStore(t)
  await node.add('a')
  await node.add('a', undefined, { CNI_IFNAME: 'net1' })
  await node.add('b')
  for (let n = 0; n < 2; n++) t.match(await node.call('DEL', 'a'), { exitCode: 0, stdout: '' })
  t.strictSame(node.files, {
    '10.22.0.3': 'a\r\nnet1',
    '10.22.0.4': 'b\r\neth0',
    'last_reserved_ip.0': '10.22.0.4',
  })
})

t.test('DEL without a store succeeds and makes none', async t => {
  const node = new NodeStore(t)
  t.match(await node.call('DEL', 'a', undefined, { CNI_NETNS: '' }), { exitCode: 0 })
  t.notOk(existsSync(node.folder))
})

t.test('DEL works with ranges that are no longer right', async t => {
  const node = new NodeStore(t)
  await node.add('a')
  t.match(await node.call('DEL', 'a', node.config({ subnet: '10.22.0.1/33' })), { exitCode: 0 })
  t.strictSame(Object.keys(node.files), ['last_reserved_ip.0'])
})

t.test('DEL frees files of very old plugins, which hold the container id alone', async t => {
  const node = new NodeStore(t)
  await node.add('b')
  writeFileSync(join(node.folder, '10.22.0.5'), 'a\n')
  await node.call('DEL', 'a')
  t.notOk(existsSync(join(node.folder, '10.22.0.5')))
})

t.test('the ranges of runtimeConfig come first; keys may be capitalised', async t => {
  const node = new NodeStore(t)
  const runtimeConfig = { ipRanges: [[{ Subnet: 'fd00::/64', RangeStart: 'fd00::10' }]] }
  t.strictSame(await node.add('a', node.config({ subnet: '10.22.0.0/29' }, { runtimeConfig })), [
    'fd00::10/64',
    '10.22.0.2/29',
  ])
})

const requests: readonly { title: string; more: object; env?: NodeJS.ProcessEnv }[] = [
  { title: 'CNI_ARGS', more: {}, env: { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.22.0.5' } },
  { title: 'args.cni.ips', more: { args: { cni: { ips: ['10.22.0.5/24'] } } } },
  { title: 'runtimeConfig.ips', more: { runtimeConfig: { ips: ['10.22.0.5'] } } },
  {
    title: 'all three at once',
    more: { args: { cni: { ips: ['10.22.0.5'] } }, runtimeConfig: { ips: ['10.22.0.5/29'] } },
    env: { CNI_ARGS: 'IP=10.22.0.5' },
  },
]
for (const { title, more, env = {} } of requests) {
  t.test(`a requested address by ${title}`, async t => {
    const node = new NodeStore(t)
    t.strictSame(await node.add('a', node.config(undefined, more), env), ['10.22.0.5/29'])
  })
}

const refused: readonly {
  title: string
  ipam: object
  more?: object
  env?: NodeJS.ProcessEnv
  want: object
}[] = [
  { title: 'no range', ipam: {}, want: { code: 7, msg: /no IP ranges/ } },
  {
    title: 'a range without a subnet',
    ipam: { ranges: [[{}]] },
    want: { code: 7, msg: /ranges\[0\]\[0\]\.subnet/ },
  },
  {
    title: 'ranges that are no list of lists',
    ipam: { ranges: [{}] },
    want: { code: 6, msg: /ranges\[0\]/ },
  },
  {
    title: 'a subnet with host bits',
    ipam: { subnet: '10.0.0.1/24' },
    want: { code: 7, msg: /host bits set/ },
  },
  {
    title: 'a resolvConf that is not there',
    ipam: { subnet: '10.0.0.0/24', resolvConf: '/nonexistent' },
    want: { code: 5, msg: /resolvConf.*ENOENT/ },
  },
  {
    title: 'an unknown key in CNI_ARGS',
    ipam: { subnet: '10.0.0.0/24' },
    env: { CNI_ARGS: 'FOO=1' },
    want: { code: 4 },
  },
  {
    title: 'a requested text that is no address',
    ipam: { subnet: '10.0.0.0/24' },
    more: { runtimeConfig: { ips: ['x'] } },
    want: { code: 7, msg: /runtimeConfig\.ips: 'x'/ },
  },
]
for (const { title, ipam, more, env, want } of refused) {
  t.test(`refused, and nothing reserved: ${title}`, async t => {
    const node = new NodeStore(t)
    t.match((await node.call('ADD', 'a', node.config(ipam, more), env)).json, want)
    t.notOk(existsSync(node.folder))
  })
}

t.test('a set that is exhausted keeps the others from being reserved', async t => {
  const node = new NodeStore(t)
  const ranges = [[{ subnet: '10.0.0.0/24' }], [{ subnet: '10.22.0.0/30' }]]
  await node.add('a', node.config({ ranges }))
  const { json } = await node.call('ADD', 'b', node.config({ ranges }))
  t.match(json, {
    code: 11,
    msg: /no IP addresses available in range set: 10\.22\.0\.1-10\.22\.0\.2/,
  })
  t.notMatch(Object.values(node.files).join(), /^b/m)
})

t.test('an empty address file is what a killed plugin left: free', async t => {
  const node = new NodeStore(t)
  await node.add('a', node.config({ subnet: '10.22.0.0/30' }))
  writeFileSync(join(node.folder, '10.22.0.2'), '')
  t.strictSame(await node.add('b', node.config({ subnet: '10.22.0.0/30' })), ['10.22.0.2/30'])
  t.equal(node.files['10.22.0.2'], 'b\r\neth0')
})

t.test('files that are none of ours are ignored and stay', async t => {
  const node = new NodeStore(t)
  await node.add('a')
  const others = {
    README: 'a\r\neth0',
    '10.22.0.99.bak': 'x',
    'last_reserved_ip.x': 'y',
    '010.22.0.3': 'b',
  }
  for (const [name, text] of Object.entries(others)) writeFileSync(join(node.folder, name), text)
  writeFileSync(join(node.folder, 'last_reserved_ip.0'), 'rubbish')
  t.strictSame(await node.add('b'), ['10.22.0.3/29'])
  await node.call('DEL', 'a')
  t.match(node.files, others)
})

t.test('a temporary file that shares its content with a reservation does it no harm', async t => {
  const node = new NodeStore(t)
  const { linkSync } = await import('node:fs')
  await node.add('a')
  linkSync(join(node.folder, '10.22.0.2'), join(node.folder, '.new'))
  await node.add('b')
  t.match(node.files, { '10.22.0.2': 'a\r\neth0', '10.22.0.3': 'b\r\neth0', '.new': undefined })
})

t.test('a store that cannot be written is code 5', async t => {
  const node = new NodeStore(t)
  writeFileSync(join(node.dataDir, 'net1'), '')
  t.match((await node.call('ADD', 'a')).json, { code: 5, msg: /address store/ })
})

t.test('calls in parallel get different addresses', async t => {
  const node = new NodeStore(t)
  const ids = Array.from({ length: 20 }, (_, n) => `c${n}`)
  const config = node.config({ subnet: '10.22.0.0/24' })
  const got = await Promise.all(ids.map(id => node.add(id, config)))
  t.equal(new Set(got.flat()).size, 20)
})

t.test('who waits too long for the lock is told to try again later', async t => {
  const node = new NodeStore(t)
  await node.add('a')
  using _lock = await lockFile(join(node.folder, 'lock'), { timeoutMs: 0, clock: systemClock })
  // A clock on which every wait takes ten seconds.
  let now = 0
  const clock = {
    now: () => now,
    monotonic: () => now,
    sleep: async () => {
      now += 10_000
    },
  }
  const env = cniEnv({ CNI_CONTAINERID: 'b' })
  const { json } = await callPlugin(hostLocal, { env, config: node.config() }, { clock })
  t.match(json, { code: 11, msg: /lock .* 30000 ms/ })
})

const prevResult = (...addresses: string[]) => ({
  prevResult: { cniVersion: '1.1.0', ips: addresses.map(address => ({ address })) },
})

t.test(
  'CHECK: the reservation exists and is what prevResult says; addresses of others do not matter',
  async t => {
    const node = new NodeStore(t)
    await node.add('a')
    const check = (...addresses: string[]): Promise<TestAnswer> =>
      node.call('CHECK', 'a', node.config(undefined, prevResult(...addresses)))
    t.match(await check('10.22.0.2/29', '192.0.2.1/24'), { exitCode: 0, stdout: '' })
    t.match((await check('10.22.0.3/29')).json, { code: 100, msg: /10\.22\.0\.2.*10\.22\.0\.3/ })
    await node.call('DEL', 'a')
    t.match((await check('10.22.0.2/29')).json, { code: 100, msg: /Failed to find address/ })
  },
)

t.test('CHECK without a store fails and makes none', async t => {
  const node = new NodeStore(t)
  const answer = await node.call('CHECK', 'a', node.config(undefined, prevResult('10.22.0.2/29')))
  t.equal(answer.exitCode, 1)
  t.notOk(existsSync(node.folder))
})

t.test(
  'GC releases what belongs to no valid attachment, and nothing when there is no list',
  async t => {
    const node = new NodeStore(t)
    for (const id of ['a', 'b', 'c']) await node.add(id)
    await node.add('a', undefined, { CNI_IFNAME: 'net1' })
    writeFileSync(join(node.folder, '10.22.0.6'), 'c')
    const valid = (list: object) => node.config(undefined, { 'cni.dev/valid-attachments': list })
    const held = () => Object.keys(node.files).filter(name => name.startsWith('10.'))
    await node.call('GC', '')
    t.equal(held().length, 5)
    const listed = [
      { containerID: 'a', ifname: 'net1' },
      { containerID: 'c', ifname: 'eth0' },
    ]
    await node.call('GC', '', valid(listed))
    t.strictSame(held(), ['10.22.0.4', '10.22.0.5', '10.22.0.6'])
    await node.call('GC', '', valid([]))
    t.strictSame(held(), [])
  },
)

t.test('STATUS is 50 when a set is full or the store is of no use', async t => {
  const node = new NodeStore(t)
  const config = node.config({ subnet: '10.22.0.0/30' })
  t.match(await node.call('STATUS', '', config), { exitCode: 0, stdout: '' })
  await node.add('a', config)
  t.match((await node.call('STATUS', '', config)).json, {
    code: 50,
    msg: /no IP addresses available/,
  })
  const file = join(t.testdirName, 'file')
  writeFileSync(file, '')
  chmodSync(file, 0o600)
  t.match(
    (await node.call('STATUS', '', node.config({ subnet: '10.0.0.0/24', dataDir: file }))).json,
    {
      code: 50,
    },
  )
})
