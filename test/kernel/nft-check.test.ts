import t from 'tap'
import { exec } from '#linux/exec.ts'
import { whyNoNftables } from '#linux/kernel-features.ts'
import { checkNft } from '#linux/nft.ts'
import type { LayoutOptions } from '../../src/proxy/nftables/layout.ts'
import { renderFullTrial, tryLayout } from '../../src/proxy/nftables/trial.ts'

const signal = AbortSignal.timeout(60_000)
const tables = async () => (await exec('nft', ['list', 'tables'])).stdout
/** Other tests leave theirs in this namespace. */
const before = await tables()
const refused = `table ip refused {
chain c { type nat hook postrouting priority 100;
meta nosuch 1
}
}
`
const options: LayoutOptions = {
  table: { family: 4, name: 'nodeplane' },
  detector: undefined,
  masqueradeAll: false,
  nodePortAddresses: [],
  localhostNodePorts: false,
  dropInvalid: true,
}

t.test('all that the proxy may write is taken here, and nothing of it stays', async t => {
  for (const family of [4, 6] as const) await t.resolves(checkNft(renderFullTrial(family), signal))
  t.equal(await whyNoNftables(renderFullTrial(4), signal), undefined)
  for (const release of ['5.8.0-1', '5.9.0', '6.1.0-18-amd64']) {
    await t.resolves(tryLayout(options, { release }))
  }
  t.equal(await tables(), before)
})

t.test('what is refused is told with the line', async t => {
  await t.rejects(checkNft(refused, signal), { code: 'ERR_NFT', line: 'meta nosuch 1' })
  t.match(await whyNoNftables(refused, signal), /syntax error.*meta nosuch 1/)
  t.equal(await tables(), before)
})

t.test('a detector that no kernel takes ends the start', async t => {
  const detector = { by: 'interface', name: 'longer-than-15-characters', isPrefix: false } as const
  await t.rejects(tryLayout({ ...options, detector }, { release: '6.1.0' }), {
    code: 'ERR_NFTABLES_MISSING',
    message: /^mode nftables: nft: .*longer-than-15-characters.*needed are Linux 5\.9 or newer/,
  })
})

t.test('a table of that name with other contents does not matter', async t => {
  const map = '{ type ipv4_addr : mark; }'
  await exec('nft', ['-f', '-'], {
    input: `add table ip nodeplane; add map ip nodeplane vips ${map}\n`,
  })
  await t.resolves(checkNft(renderFullTrial(4), signal))
})
