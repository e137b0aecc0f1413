import t from 'tap'
import type { ApiRequest } from '#cluster/api/client.ts'
import { NodeTaints } from '#cluster/api/node-taint.ts'

const { signal } = new AbortController()

/** A server that has one Node and keeps what is patched. */
function serverWith(node: object) {
  const patches: ApiRequest[] = []
  const taints = new NodeTaints({
    get: async () => ReadableStream.from([Buffer.from(JSON.stringify(node))]),
    patch: async request => void patches.push(request),
    [Symbol.dispose]: () => undefined,
  })
  return { taints, patches }
}

const gpu = { key: 'example.org/gpu', value: 'a', effect: 'NoSchedule' }

t.test('the patch has the other taints and the version that was read', async t => {
  const { taints, patches } = serverWith({
    metadata: { name: 'node-a', resourceVersion: '7' },
    spec: {
      taints: [{ key: 'wait', effect: 'NoSchedule' }, gpu, { key: 'wait', effect: 'NoExecute' }],
    },
  })
  t.equal(await taints.remove('node-a', 'wait', signal), true)
  t.match(patches, [{ path: '/api/v1/nodes/node-a' }])
  t.strictSame(JSON.parse(patches[0]?.json ?? ''), {
    metadata: { resourceVersion: '7' },
    spec: { taints: [gpu] },
  })
})

t.test('a Node without the taint is not written', async t => {
  for (const spec of [{}, { taints: null }, { taints: [gpu] }]) {
    const { taints, patches } = serverWith({ metadata: { resourceVersion: '7' }, spec })
    t.equal(await taints.remove('node-a', 'wait', signal), false)
    t.strictSame(patches, [])
  }
})
