import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { exec } from '#linux/exec.ts'
import { callBridge } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, hostLocal, leasesIn, linksOf } from '../helper/cni-network.ts'
import { remainsOf } from '../helper/cni-remains.ts'
import { eventually } from '../helper/eventually.ts'
import { TestNamespace } from '../helper/namespace.ts'

const nothing = { exitCode: 0, json: {}, stderr: '' }

/** A small file system of the test's own for the leases. */
async function mountStore(t: Test, stack: AsyncDisposableStack): Promise<string> {
  const folder = t.testdir()
  await exec('mount', ['-t', 'tmpfs', '-o', 'size=16k,nr_inodes=12', 'none', folder])
  stack.defer(async () => {
    await exec('umount', ['-l', folder])
  })
  return folder
}

const disks: readonly { title: string; spoil: (folder: string) => Promise<unknown> }[] = [
  {
    title: 'full',
    spoil: async folder => {
      // Blocks and inodes.
      try {
        for (let n = 0; n < 20; n++) writeFileSync(join(folder, `fill${n}`), Buffer.alloc(4096))
      } catch {}
    },
  },
  { title: 'read-only', spoil: folder => exec('mount', ['-o', 'remount,ro', folder]) },
]
for (const { title, spoil } of disks) {
  t.test(
    `a disk that is ${title}: ADD fails and leaves nothing, DEL of a live pod is told`,
    async t => {
      await using stack = new AsyncDisposableStack()
      const host = stack.use(await enterHost())
      const pod = stack.use(await TestNamespace.create('pod'))
      const late = stack.use(await TestNamespace.create('late'))
      const folder = await mountStore(t, stack)
      const config = bridgeConfig(folder, { ipMasq: true })
      t.equal((await callBridge('ADD', config, pod.path, { containerId: 'first' })).exitCode, 0)
      const before = leasesIn(folder)
      await spoil(folder)
      const added = await callBridge('ADD', config, late.path, { containerId: 'second' })
      t.match(added, { exitCode: 1, json: { code: 5, msg: /host-local/ } })
      t.same(leasesIn(folder), before)
      t.same(await linksOf(late), [])
      t.same(
        (await remainsOf(host, 'second', [])).filter(line => line.includes('second')),
        [],
      )
      const deleted = await callBridge('DEL', config, pod.path, { containerId: 'first' })
      if (title === 'full') {
        t.same(deleted, nothing, 'a full disk keeps nothing from being released')
        t.same(leasesIn(folder), [])
      } else {
        t.match(deleted, { exitCode: 1, json: { code: 5, msg: /cannot release|cannot lock/ } })
        t.notOk(
          (await linksOf(host)).some(name => name.startsWith('veth')),
          'the rest is gone',
        )
        await exec('mount', ['-o', 'remount,rw', folder])
        t.same(await callBridge('DEL', config, pod.path, { containerId: 'first' }), nothing)
        t.same(leasesIn(folder), [])
      }
    },
  )
}

t.test(
  'damaged files of the store keep no pod from an address, and are given to nobody twice',
  async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const dataDir = t.testdir()
    const store = join(dataDir, 'net')
    mkdirSync(store)
    // Empty: free. Bytes of nobody: taken, for its holder cannot be known. A folder with an address for its name.
    writeFileSync(join(store, '10.22.0.2'), '')
    writeFileSync(join(store, '10.22.0.3'), Buffer.from([0xff, 0xfe, 0, 10, 13]))
    mkdirSync(join(store, '10.22.0.4'))
    writeFileSync(join(store, 'last_reserved_ip.0'), 'nonsense')
    writeFileSync(join(store, '.new'), 'half a lea')
    const config = bridgeConfig(dataDir, { ipam: hostLocal(dataDir, ['10.22.0.0/24']) })
    const added = await callBridge('ADD', config, pod.path)
    t.match(added.json, { ips: [{ address: '10.22.0.2/24' }] })
    t.same(await callBridge('DEL', config, pod.path), nothing)
    t.notOk(readdirSync(store).includes('.new'))
    t.notOk(leasesIn(dataDir).includes('10.22.0.2'))
    t.same(await linksOf(host), ['cni0'])
  },
)

t.test('a lock ends with the process that held it', async t => {
  await using _host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const dataDir = t.testdir({ net: { lock: '' } })
  const lock = join(dataDir, 'net/lock')
  const holder = pod.spawn('flock', [lock, 'sleep', '1000'], { stdio: 'ignore', detached: true })
  await eventually('the lock to be taken', async () => {
    return await exec('flock', ['-n', lock, 'true']).then(
      () => false,
      () => true,
    )
  })
  const adding = callBridge('ADD', bridgeConfig(dataDir), pod.path)
  process.kill(-(holder.pid as number), 'SIGKILL')
  t.equal((await adding).exitCode, 0)
})

const overlaps: readonly { title: string; ranges: readonly (readonly object[])[] }[] = [
  { title: 'of one set', ranges: [[{ subnet: '10.22.0.0/24' }, { subnet: '10.22.0.128/25' }]] },
  { title: 'of two sets', ranges: [[{ subnet: '10.22.0.0/24' }], [{ subnet: '10.22.0.0/16' }]] },
]
for (const { title, ranges } of overlaps) {
  t.test(`ranges ${title} that overlap are refused, and nothing is left`, async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const dataDir = t.testdir()
    const config = bridgeConfig(dataDir, { ipam: { type: 'host-local', dataDir, ranges } })
    t.match(await callBridge('ADD', config, pod.path), { exitCode: 1, json: { code: 7 } })
    t.same(await linksOf(host), ['cni0'])
    t.same(readdirSync(dataDir), [])
  })
}

t.test('two networks on one bridge do not disturb each other', async t => {
  await using host = await enterHost()
  await using a = await TestNamespace.create('a')
  await using b = await TestNamespace.create('b')
  const dataDir = t.testdir()
  const one = bridgeConfig(dataDir, { ipam: hostLocal(dataDir, ['10.22.0.0/24']), ipMasq: true })
  const two = { ...one, name: 'other', ipam: hostLocal(dataDir, ['fd00:22::/64']) }
  t.equal((await callBridge('ADD', one, a.path)).exitCode, 0)
  t.equal((await callBridge('ADD', two, b.path)).exitCode, 0)
  t.match(await host.ip('address show cni0'), /10\.22\.0\.1\/24[^]*fd00:22::1\/64/)
  const conflict = { ...one, name: 'third', ipam: hostLocal(dataDir, ['10.33.0.0/24']) }
  t.match(await callBridge('ADD', conflict, b.path, { ifname: 'net1' }), {
    exitCode: 1,
    json: { code: 7, msg: /already has an IP address different from/ },
  })
  t.same(await linksOf(b), ['eth0'])
  t.same(await callBridge('DEL', one, a.path), nothing)
  t.same(leasesIn(dataDir, 'other'), ['fd00:22::2'])
  await b.exec('ping', ['-c', '1', '-W', '2', 'fd00:22::1'])
})

t.test('a namespace that vanishes during an ADD: the ADD ends, DEL leaves nothing', async t => {
  await using host = await enterHost()
  const pod = await TestNamespace.create('pod')
  const dataDir = t.testdir()
  const config = bridgeConfig(dataDir, { ipMasq: true })
  const adding = callBridge('ADD', config, pod.path, { containerId: 'vanishing' })
  await pod[Symbol.asyncDispose]()
  await adding
  t.same(await callBridge('DEL', config, pod.path, { containerId: 'vanishing' }), nothing)
  await eventually('nothing to be left', async () => {
    return (await remainsOf(host, 'vanishing', [join(dataDir, 'net')])).length === 0
  })
})
