import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AttachedPods } from '#cni/pods/attached-pods.ts'
import type { PodAttachment } from '#cni/pods/pod-attachment.ts'
import type { IpAddress } from '#net/ip.ts'

const ip = (text: string) => text as IpAddress
const attachment = (changes: Partial<PodAttachment> = {}): PodAttachment => ({
  network: 'net',
  containerId: 'c1',
  ifname: 'eth0',
  // Any path that is there.
  netns: '/proc/self/ns/net',
  pod: { namespace: 'shop', name: 'web', uid: '' },
  addresses: [ip('10.0.0.2'), ip('fd00::2')],
  hostInterface: 'veth1',
  plugin: 'bridge',
  ...changes,
})

function open(t: Test, folder = join(t.testdir(), 'pods')) {
  const warnings: string[] = []
  const pods = AttachedPods.open(folder, ({ file }, message) =>
    warnings.push(`${message}: ${file}`),
  )
  return { pods, folder, warnings }
}

t.test('a pod is found by each of its addresses, also by the next agent', async t => {
  const { pods, folder } = open(t)
  pods.add(attachment())
  for (const known of [pods, AttachedPods.open(folder, () => t.fail('warned'))]) {
    t.strictSame(known.byAddress(ip('fd00::2')), attachment())
    t.strictSame([...known.list()], [attachment()])
    t.equal(known.byAddress(ip('10.0.0.3')), undefined)
  }
  t.equal(statSync(folder).mode & 0o777, 0o700)
  const [file = ''] = readdirSync(folder)
  t.equal(statSync(join(folder, file)).mode & 0o777, 0o600)
})

t.test('a chain adds to an attachment, which ends with the plugin that made it', async t => {
  const { pods, folder } = open(t)
  pods.add(attachment())
  pods.add(attachment({ plugin: 'portmap', hostInterface: undefined, addresses: [ip('10.0.0.9')] }))
  t.match(pods.byAddress(ip('10.0.0.9')), { plugin: 'bridge', hostInterface: 'veth1' })
  t.equal(pods.byAddress(ip('10.0.0.2')), undefined, 'the newest result counts')
  pods.remove('portmap', attachment())
  t.equal(pods.size, 1)
  pods.remove('bridge', attachment())
  pods.remove('bridge', attachment())
  t.equal(pods.size, 0)
  t.strictSame(readdirSync(folder), [])
})

t.test('an address that was given on stays with its new owner', async t => {
  const { pods } = open(t)
  pods.add(attachment())
  pods.add(attachment({ containerId: 'c2' }))
  pods.remove('bridge', attachment())
  t.match(pods.byAddress(ip('10.0.0.2')), { containerId: 'c2' })
})

t.test('GC leaves what is valid, and other networks', async t => {
  const { pods } = open(t)
  pods.add(attachment())
  pods.add(attachment({ containerId: 'c2', addresses: [ip('10.0.0.3')] }))
  pods.add(attachment({ network: 'other', addresses: [ip('10.9.0.2')] }))
  pods.keepOnly('net', ({ containerId }) => containerId === 'c2')
  t.strictSame(
    [...pods.list()].map(({ network, containerId }) => `${network}/${containerId}`),
    ['net/c2', 'other/c1'],
  )
})

t.test('recovery drops what is gone or damaged, and touches no files of others', async t => {
  const { pods, folder } = open(t)
  pods.add(attachment({ netns: join(folder, 'gone') }))
  const damaged = join(folder, `${'0'.repeat(32)}.json`)
  writeFileSync(damaged, '{')
  writeFileSync(join(folder, `${'1'.repeat(32)}.json.new`), '{')
  writeFileSync(join(folder, 'README'), 'theirs')
  const again = open(t, folder)
  t.equal(again.pods.size, 0)
  t.strictSame(readdirSync(folder), ['README'])
  t.match(again.warnings, [`file of a pod removed: ${damaged}`, /\.new$/])
})

t.test('a pod that cannot be written is known all the same, and said', async t => {
  const { pods, folder, warnings } = open(t)
  pods.add(attachment({ containerId: 'other' }))
  const [file = ''] = readdirSync(folder)
  pods.remove('bridge', attachment({ containerId: 'other' }))
  mkdirSync(join(folder, `${file}.new`))
  pods.add(attachment({ containerId: 'other' }))
  t.equal(pods.size, 1)
  t.match(warnings, [/^pod not remembered/])
  t.notOk(existsSync(join(folder, file)))
})
