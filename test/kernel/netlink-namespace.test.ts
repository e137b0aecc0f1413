import { execFileSync } from 'node:child_process'
import { readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { NetworkNamespace } from '#linux/namespace.ts'
import { ensureSysctl, interfaceSysctl, readSysctl, writeSysctl } from '#linux/sysctl.ts'
import { TestNamespace } from '../helper/namespace.ts'

const whereAmI = () => readlinkSync('/proc/thread-self/ns/net')

t.test('work runs in the namespace and the thread is back afterwards', async t => {
  await using pod = await TestNamespace.create('pod')
  using namespace = NetworkNamespace.open(pod.path)
  const home = whereAmI()
  const inside = namespace.run(whereAmI)
  t.not(inside, home)
  t.equal(whereAmI(), home)
})

t.test('the thread is back when the work throws, or is asynchronous', async t => {
  await using pod = await TestNamespace.create('pod')
  using namespace = NetworkNamespace.open(pod.path)
  const home = whereAmI()
  t.throws(
    () =>
      namespace.run(() => {
        throw new Error('work failed')
      }),
    { message: 'work failed' },
  )
  t.equal(whereAmI(), home)
  const later = (() => Promise.resolve()) as unknown as () => number
  t.throws(() => namespace.run(later), { message: 'synchronous' })
  t.equal(whereAmI(), home)
})

t.test('namespaces nest', async t => {
  await using a = await TestNamespace.create('a')
  await using b = await TestNamespace.create('b')
  using namespaceA = NetworkNamespace.open(a.path)
  using namespaceB = NetworkNamespace.open(b.path)
  const [first, inner, again] = namespaceA.run(() => [
    whereAmI(),
    namespaceB.run(whereAmI),
    whereAmI(),
  ])
  t.equal(first, again)
  t.not(first, inner)
})

t.test('two paths of one namespace are the same, two namespaces are not', async t => {
  await using pod = await TestNamespace.create('pod')
  using byName = NetworkNamespace.open(pod.path)
  using own = NetworkNamespace.own()
  using byPid = NetworkNamespace.open(`/proc/${process.pid}/ns/net`)
  t.ok(own.isSame(byPid))
  t.notOk(own.isSame(byName))
})

t.test('what is no network namespace is refused with the reason', async t => {
  const folder = t.testdir({ 'left by a reboot': '' })
  const file = join(folder, 'left by a reboot')
  writeFileSync(file, '')
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const cases = [
    { path: join(folder, 'nothing'), why: 'does not exist' },
    { path: file, why: 'not a namespace' },
    { path: folder, why: 'not a namespace' },
    { path: fifo, why: 'not a namespace' },
    { path: '/proc/self/ns/mnt', why: 'a namespace of another type' },
  ]
  for (const { path, why } of cases) {
    t.throws(() => NetworkNamespace.open(path), {
      code: 'ERR_NAMESPACE',
      message: `network namespace ${path}: ${why}`,
    })
  }
})

t.test('sysctls are those of the namespace, and written only when different', async t => {
  await using pod = await TestNamespace.create('pod')
  await pod.ip('link add eth0.100 type veth peer name other')
  using namespace = NetworkNamespace.open(pod.path)
  const path = interfaceSysctl('ipv4', 'eth0.100', 'arp_notify')
  t.throws(() => readSysctl(path), { code: 'ERR_SYSCTL', cause: { code: 'ENOENT' } })
  t.throws(() => writeSysctl(path, '1'), { code: 'ERR_SYSCTL', cause: { code: 'ENOENT' } })
  t.same(
    namespace.run(() => [
      readSysctl(path),
      ensureSysctl(path, '1'),
      ensureSysctl(path, '1'),
      readSysctl(path),
    ]),
    ['0', true, false, '1'],
  )
})
