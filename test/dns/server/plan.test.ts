import t from 'tap'
import type { ServerBlock } from '../../../src/dns/corefile/directive.ts'
import { planServers } from '../../../src/dns/server/plan.ts'
import type { IpAddress } from '../../../src/net/ip.ts'

/** A block in line `line` for each text: `keys` or `keys @address`. */
function plan(...texts: readonly string[]) {
  const binds = new Map<ServerBlock, readonly IpAddress[]>()
  const blocks = texts.map((text, index) => {
    const [keys = '', address] = text.split('@')
    const block = {
      keys: keys.trim().split(' '),
      directives: [],
      position: { file: 'Corefile', line: index + 1 },
    }
    binds.set(block, address === undefined ? [] : [address as IpAddress])
    return block
  })
  return planServers(blocks, { defaultPort: 53, bindOf: block => binds.get(block) ?? [] })
}

const listeners = (...texts: readonly string[]) =>
  Object.fromEntries(
    [...plan(...texts).listeners].map(([key, { zones }]) => [
      key,
      Object.fromEntries([...zones].map(([zone, [block]]) => [zone, block])),
    ]),
  )

t.test('blocks on one port share a listener', async t => {
  t.strictSame(listeners('.', 'example.org', 'a.org:1053'), {
    ':53': { '.': 0, 'example.org.': 1 },
    ':1053': { 'a.org.': 2 },
  })
})

t.test('a block may listen on several ports', async t => {
  t.strictSame(listeners('a.org:53 b.org:1053'), {
    ':53': { 'a.org.': 0 },
    ':1053': { 'b.org.': 0 },
  })
})

t.test('bound blocks have listeners of their own', async t => {
  t.strictSame(listeners('. @127.0.0.1', '. @::1'), {
    '127.0.0.1:53': { '.': 0 },
    '[::1]:53': { '.': 1 },
  })
})

const wrong: readonly { title: string; blocks: readonly string[]; problems: readonly RegExp[] }[] =
  [
    {
      title: 'a zone twice',
      blocks: ['a.org', 'b.org a.org'],
      problems: [/a\.org\.:53 is already defined in Corefile:1/],
    },
    {
      title: 'a zone twice in one block',
      blocks: ['a.org a.org.'],
      problems: [/a\.org\.:53 is already defined/],
    },
    {
      title: 'a zone twice on one address',
      blocks: ['. @127.0.0.1', '. @127.0.0.1'],
      problems: [/\.:53 is already defined/],
    },
    {
      title: 'a bound and an unbound block on a port',
      blocks: ['a.org', 'b.org @127.0.0.1'],
      problems: [/the block in Corefile:1 listens on every address of port 53/],
    },
    {
      title: 'several bad keys',
      blocks: ['tls://.', 'a..b'],
      problems: [/tls:\/\/ is known/, /not a domain name/],
    },
  ]
for (const { title, blocks, problems } of wrong) {
  t.test(`a problem: ${title}`, async t => {
    const found = plan(...blocks).problems.map(({ message }) => message)
    t.equal(found.length, problems.length)
    t.match(found, problems)
  })
}

t.test('a zone may stand twice on different ports and addresses', async t => {
  t.strictSame(plan('.', '.:1053').problems, [])
  t.strictSame(plan('. @127.0.0.1', '. @127.0.0.2').problems, [])
})
