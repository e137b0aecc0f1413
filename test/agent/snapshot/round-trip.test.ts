import {
  appendFile,
  chmod,
  chown,
  readFile,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { SNAPSHOT_FORMAT, SNAPSHOT_VERSION, type SnapshotHeader } from '#agent/snapshot/format.ts'
import { openSnapshot } from '#agent/snapshot/read.ts'
import { writeSnapshot } from '#agent/snapshot/write.ts'
import type { ClusterObject, Service } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import * as cluster from '../../helper/cluster.ts'

const NEVER = new AbortController().signal
const MAX_OCTETS = 2 ** 20
const header: SnapshotHeader = {
  format: SNAPSHOT_FORMAT,
  version: SNAPSHOT_VERSION,
  origin: 'https://api.example:6443',
  node: 'node-a',
  confirmedMs: 1_700_000_000_000,
  selections: { Service: '|', EndpointSlice: '|', Node: '|metadata.name=node-a', Pod: '|' },
}

const storeOf = (services: readonly Service[]) => {
  const store = new Store()
  store.replaceAll('Service', services)
  return store
}
const write = (path: string, store: Store, more: { maxOctets?: number } = {}) =>
  writeSnapshot({ path, header, store, maxOctets: MAX_OCTETS, ...more }, NEVER)

async function readAll(path: string): Promise<readonly ClusterObject[] | undefined> {
  await using snapshot = await openSnapshot(path, MAX_OCTETS)
  return snapshot && (await Array.fromAsync(snapshot.objects()))
}

/** Any data that an object may have: what is undefined must stay so, and any key is only a key. */
const field = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(undefined))
const labels = fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), fc.string(), {
  noNullPrototype: true,
})
const services = fc.uniqueArray(
  fc.record({ name: fc.string({ minLength: 1 }), labels, appProtocol: field, selector: labels }),
  { selector: ({ name }) => name, maxLength: 40 },
)

t.test('any store comes back as it was, fields that are undefined among it', async t => {
  const path = join(t.testdir(), 'sub', 'cluster')
  await fc.assert(
    fc.asyncProperty(services, async list => {
      const made = list.map(({ name, labels, appProtocol, selector }) =>
        cluster.service({
          name,
          labels,
          selector,
          ports: [cluster.servicePort({ appProtocol: appProtocol as string })],
        }),
      )
      await write(path, storeOf(made))
      t.strictSame(await readAll(path), made)
    }),
    { numRuns: 40 },
  )
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.equal((await stat(join(path, '..'))).mode & 0o777, 0o700)
})

t.test('objects longer than what is read at once come back', async t => {
  const path = join(t.testdir(), 'cluster')
  const long = Array.from({ length: 50 }, (_, index) =>
    cluster.service({ name: `s${index}`, selector: { [`k${index}`]: 'x'.repeat(9_000 * index) } }),
  )
  await write(path, storeOf(long))
  t.strictSame(await readAll(path), long)
})

t.test('the header is told before the objects', async t => {
  const path = join(t.testdir(), 'cluster')
  await write(path, storeOf([]))
  await using snapshot = await openSnapshot(path, MAX_OCTETS)
  t.strictSame(snapshot?.header, header)
  t.equal(await openSnapshot(`${path}-not`, MAX_OCTETS), undefined, 'none is there')
})

t.test('a snapshot that cannot be trusted is refused, before anything of it is used', async t => {
  const path = join(t.testdir(), 'cluster')
  const fresh = () => write(path, storeOf([cluster.service({ name: 'web' })]))
  const refused = async (what: string, why: RegExp) => {
    await t.rejects(readAll(path), { code: 'ERR_SNAPSHOT', message: why }, what)
    await chmod(path, 0o600).catch(() => undefined)
  }
  const edit = async (change: (bytes: Buffer) => void) => {
    const bytes = await readFile(path)
    change(bytes)
    await writeFile(path, bytes)
  }
  await fresh()
  const { size } = await stat(path)
  for (const at of [20, size >> 1, size - 1]) {
    await edit(bytes => bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at))
    await refused(`a bit at ${at}`, /damaged/)
    await fresh()
  }
  await truncate(path, size - 5)
  await refused('cut off', /damaged/)
  await truncate(path, 10)
  await refused('cut off early', /cut off/)
  await fresh()
  await appendFile(path, 'x')
  await refused('longer', /damaged/)
  await fresh()
  await chmod(path, 0o602)
  await refused('others may write it', /others than its owner/)
  await writeSnapshot(
    { path, header: { ...header, version: 99 }, store: storeOf([]), maxOctets: 999 },
    NEVER,
  )
  await refused('another version', /version 99/)
  await write(path, storeOf([cluster.service({ name: 'x'.repeat(100) })]))
  await t.rejects(openSnapshot(path, 100), { message: /larger than 100/ })
  const link = `${path}-link`
  await symlink(path, link)
  await t.rejects(openSnapshot(link, MAX_OCTETS), { code: 'ERR_SNAPSHOT' }, 'a symbolic link')
  if (process.geteuid?.() === 0) {
    await chown(path, 65_534, 65_534)
    await refused('of another user', /belongs to user 65534/)
  }
})

t.test('one that would be too large is not written; the former one stays', async t => {
  const path = join(t.testdir(), 'cluster')
  await write(path, storeOf([cluster.service({ name: 'web' })]))
  const before = await readFile(path)
  const random = Array.from({ length: 200 }, () => cluster.service({ name: `s${Math.random()}` }))
  await t.rejects(write(path, storeOf(random), { maxOctets: 600 }), { code: 'ERR_SNAPSHOT' })
  t.strictSame(await readFile(path), before)
  await t.rejects(stat(`${path}.tmp`), { code: 'ENOENT' })
})
