import t from 'tap'
import { AskingPods } from '#agent/asking-pods.ts'
import { Store } from '#cluster/store.ts'
import { AttachedPods } from '#cni/pods/attached-pods.ts'
import type { PodAttachment } from '#cni/pods/pod-attachment.ts'
import type { IpAddress } from '#net/ip.ts'
import { pod } from '../helper/zone-cluster.ts'

const ADDRESS = '10.4.0.1' as IpAddress
const attachmentOf = (containerId: string, name: PodAttachment['pod']): PodAttachment => ({
  network: 'net',
  containerId,
  ifname: 'eth0',
  netns: '/proc/self/ns/net',
  pod: name,
  addresses: [ADDRESS],
  hostInterface: undefined,
  plugin: 'bridge',
})
const old = attachmentOf('c1', { namespace: 'shop', name: 'p', uid: '' })
const young = attachmentOf('c2', { namespace: 'bank', name: 'q', uid: '' })

/** Pods whose status still says what was before. */
function tested() {
  const store = new Store()
  store.replaceAll('Pod', [
    pod({ name: 'p', namespace: 'shop', ips: [ADDRESS] }),
    pod({ name: 'q', namespace: 'bank', ips: [] }),
  ])
  const attached = AttachedPods.open(t.testdir(), reason => t.fail(reason.reason))
  const pods = new AskingPods(store, () => attached)
  return { attached, namespaceAt: () => pods.podAt(ADDRESS)?.metadata.namespace }
}

t.test('a pod is known from its ADD to its DEL, whatever its status says', t => {
  const { attached, namespaceAt } = tested()
  t.equal(namespaceAt(), undefined)
  attached.add(old)
  t.equal(namespaceAt(), 'shop')
  attached.remove('bridge', old)
  t.equal(namespaceAt(), undefined)
  t.end()
})

t.test('an address that was given to another namespace is that namespace’s at once', t => {
  const { attached, namespaceAt } = tested()
  attached.add(old)
  attached.remove('bridge', old)
  attached.add(young)
  t.equal(namespaceAt(), 'bank')
  t.end()
})

t.test('a late DEL of the former owner takes nothing from the new one', t => {
  const { attached, namespaceAt } = tested()
  attached.add(old)
  attached.add(young)
  attached.remove('bridge', old)
  t.equal(namespaceAt(), 'bank')
  t.end()
})

t.test('a container that is no pod, and a pod that the cluster does not know, are nobody', t => {
  const { attached, namespaceAt } = tested()
  attached.add(attachmentOf('c3', undefined))
  t.equal(namespaceAt(), undefined)
  attached.add(attachmentOf('c4', { namespace: 'shop', name: 'other', uid: '' }))
  t.equal(namespaceAt(), undefined)
  t.end()
})

t.test('nobody is known before the calls are served', t => {
  const store = new Store()
  store.set('Pod', pod({ name: 'p', namespace: 'shop', ips: [ADDRESS] }))
  t.equal(new AskingPods(store, () => undefined).podAt(ADDRESS), undefined)
  t.end()
})
