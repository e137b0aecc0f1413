import t from 'tap'
import { attachmentFrom, parseAttachment, podNameFrom } from '#cni/pods/pod-attachment.ts'
import type { AttachmentRequest } from '#cni/spec/plugin.ts'
import { emptyResult } from '#cni/spec/result.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const request = {
  config: { name: 'net' },
  containerId: 'c1',
  ifname: 'eth0',
  netns: '/run/netns/x',
  args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u1',
} as AttachmentRequest

const ips = ['10.0.0.2/24', 'fd00::2/64'].map(text => ({ address: parsePrefix(text) as IpPrefix }))

t.test(
  "a result with addresses makes a pod's attachment, with its end of the pair on the host",
  async t => {
    const interfaces = [
      { name: 'cni0' },
      { name: 'veth1', sandbox: '' },
      { name: 'eth0', sandbox: '/run/netns/x' },
    ]
    const made = attachmentFrom('bridge', request, { ...emptyResult, ips, interfaces })
    t.strictSame(made, {
      network: 'net',
      containerId: 'c1',
      ifname: 'eth0',
      netns: '/run/netns/x',
      pod: { namespace: 'shop', name: 'web', uid: 'u1' },
      addresses: ['10.0.0.2', 'fd00::2'],
      hostInterface: 'veth1',
      plugin: 'bridge',
    })
    t.strictSame(parseAttachment(JSON.stringify(made)), made)
  },
)

t.test('without an address others can use there is no attachment', async t => {
  const loopback = [{ address: parsePrefix('127.0.0.1/8') as IpPrefix }]
  t.equal(attachmentFrom('bridge', request, emptyResult), undefined)
  t.equal(attachmentFrom('loopback', request, { ...emptyResult, ips: loopback }), undefined)
})

const args: readonly { title: string; text: string; want: unknown }[] = [
  { title: 'nothing', text: '', want: undefined },
  { title: 'no name', text: 'K8S_POD_NAMESPACE=a', want: undefined },
  { title: 'malformed', text: 'K8S_POD_NAMESPACE=a;K8S_POD_NAME', want: undefined },
  {
    title: 'no uid, unknown keys, no IgnoreUnknown',
    text: 'X=y;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b',
    want: { namespace: 'a', name: 'b', uid: '' },
  },
]
for (const { title, text, want } of args) {
  t.test(`CNI_ARGS: ${title}`, async t => t.strictSame(podNameFrom(text), want))
}

for (const text of ['[]', '{"addresses":"x"}', '{"pod":[]}', '']) {
  t.test(`not an attachment: ${text}`, async t => t.throws(() => parseAttachment(text)))
}
