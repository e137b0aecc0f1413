import { join } from 'node:path'
import t from 'tap'
import type { BridgeConfig } from '#cni/bridge/config.ts'
import { withOfferedMtu } from '#cni/veth/offered-mtu.ts'

const config = (mtu: number | undefined) => ({ bridge: 'cni0', mtu }) as BridgeConfig

const cases: readonly { title: string; own?: number; text?: string; want: number | undefined }[] = [
  { title: 'what is offered', text: '1430\n', want: 1430 },
  { title: 'the own one wins', own: 1400, text: '1430\n', want: 1400 },
  { title: 'nothing is offered', want: undefined },
  { title: 'no number', text: 'large\n', want: undefined },
  { title: 'too small', text: '67\n', want: undefined },
  { title: 'too large', text: '65536\n', want: undefined },
  { title: 'empty', text: '', want: undefined },
]
for (const { title, own, text, want } of cases) {
  t.test(`the MTU of a pair: ${title}`, async t => {
    const folder = t.testdir(text === undefined ? {} : { mtu: text })
    t.equal((await withOfferedMtu(config(own), join(folder, 'mtu'))).mtu, want)
  })
}
