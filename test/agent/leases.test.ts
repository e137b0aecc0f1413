import t from 'tap'
import type { IpAddress } from '#net/ip.ts'
import { judgedLeases } from '../../src/agent/leases.ts'
import type { AttachmentView } from '../../src/agent/view/types.ts'

const address = '10.244.1.7' as IpAddress
const attachment: AttachmentView = {
  network: 'podnet',
  containerId: 'c1',
  interface: 'eth0',
  netns: '/run/netns/c1',
  pod: 'shop/web',
  isGone: false,
}
const lease = { address, containerId: 'c1', ifname: 'eth0' }

const cases = [
  { title: 'known, its namespace is there', state: 'live', pod: 'shop/web' },
  {
    title: 'known, its namespace has gone',
    attachment: { isGone: true },
    state: 'gone',
    pod: 'shop/web',
  },
  {
    title: 'another container in a namespace of this node has the address of one that has gone',
    attachment: { isGone: true },
    isSeen: true,
    state: 'live',
    pod: 'shop/web',
  },
  {
    title: 'nobody knows of it, a namespace has it',
    attachment: { containerId: 'c2' },
    isSeen: true,
    state: 'live',
  },
  {
    title: 'nobody knows of it, and no namespace has it',
    attachment: { containerId: 'c2' },
    state: 'orphan',
  },
  {
    title: 'known in another network only',
    attachment: { network: 'other', isGone: true },
    state: 'orphan',
  },
  {
    title: 'known by another interface only',
    attachment: { interface: 'net1', isGone: true },
    state: 'orphan',
  },
  {
    title: 'an old store without interfaces',
    lease: { ifname: undefined },
    state: 'live',
    pod: 'shop/web',
  },
]
for (const { title, state, pod, isSeen = false, ...parts } of cases) {
  t.test(title, t => {
    const store = { network: 'podnet', leases: [{ ...lease, ...parts.lease }] }
    const attachments = [{ ...attachment, ...parts.attachment }]
    const [judged] = judgedLeases(store, { attachments, isSeen: () => isSeen })
    t.equal(judged?.state, state)
    t.equal(judged?.pod, pod)
    t.end()
  })
}
