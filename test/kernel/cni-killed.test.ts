import { join } from 'node:path'
import t from 'tap'
import { portmap } from '#cni/portmap/portmap.ts'
import { callBridge, callVerb, type PluginAnswer } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig } from '../helper/cni-network.ts'
import { remainsOf } from '../helper/cni-remains.ts'
import { killedAfter } from '../helper/kill-point.ts'
import { TestNamespace } from '../helper/namespace.ts'

/*
 * An ADD that is killed at each of its calls of the kernel: whatever it has done by then, the DEL that follows leaves nothing. The
 * runtime may have the namespace still, or not.
 */

const nothing = { exitCode: 0, json: {}, stderr: '' }

/** Far over the calls of one ADD: a hook that does not count ends the loop. */
const MAX_CALLS = 150

/** Does `add` killed after 0, 1, 2 … calls, then `del`; until it is not killed any more. Gives the number of its calls. */
async function atEachCall(
  add: (containerId: string) => Promise<PluginAnswer>,
  check: (containerId: string, calls: number) => Promise<void>,
): Promise<number> {
  for (let last = 0; last < MAX_CALLS; last++) {
    const containerId = `killed${last}x`
    const { result } = await killedAfter(last, () => add(containerId))
    await check(containerId, last)
    if (result !== undefined) {
      t.equal(result.exitCode, 0, JSON.stringify(result.json))
      return last
    }
  }
  throw new Error('the ADD never ended')
}

for (const backend of ['nftables', 'iptables']) {
  t.test(`bridge with ipMasq by ${backend} and macspoofchk`, async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const dataDir = t.testdir()
    const config = bridgeConfig(dataDir, {
      ipMasq: true,
      ipMasqBackend: backend,
      macspoofchk: true,
      hairpinMode: true,
    })
    const calls = await atEachCall(
      containerId => callBridge('ADD', config, pod.path, { containerId }),
      async (containerId, last) => {
        const netns = last % 2 === 0 ? pod.path : ''
        t.same(await callBridge('DEL', config, netns, { containerId }), nothing, `call ${last}`)
        t.same(await remainsOf(host, containerId, [join(dataDir, 'net')]), [], `call ${last}`)
      },
    )
    t.ok(calls > 30, `${calls} calls of the kernel`)
  })

  t.test(`portmap by ${backend}`, async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const network = bridgeConfig(t.testdir())
    const added = await callBridge('ADD', network, pod.path)
    const config = {
      cniVersion: '1.0.0',
      name: 'net',
      type: 'portmap',
      backend,
      snat: true,
      runtimeConfig: {
        portMappings: [
          { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
          { hostPort: 53, containerPort: 53, protocol: 'udp', hostIP: '127.0.0.1' },
        ],
      },
      prevResult: added.json,
    }
    const map = (verb: string, containerId: string) =>
      callVerb(portmap, { verb, config, containerId, netns: pod.path })
    const calls = await atEachCall(
      containerId => map('ADD', containerId),
      async (containerId, last) => {
        t.same(await map('DEL', containerId), nothing, `call ${last}`)
        const remains = await remainsOf(host, containerId, [])
        t.same(
          remains.filter(line => line.includes(containerId)),
          [],
          `call ${last}`,
        )
      },
    )
    t.ok(calls > 1, `${calls} calls of the kernel`)
  })
}
