import t from 'tap'
import { renderRemoval } from '../../../src/proxy/ipvs/cleanup.ts'
import { jumpRule, jumps, ownChains, type Table } from '../../../src/proxy/ipvs/iptables-render.ts'

const THEIRS = ['-A INPUT -j ACCEPT', ':THEIRS - [0:0]']
const present = (extra: Partial<Record<Table, readonly string[]>> = {}) =>
  new Map(
    (['nat', 'filter'] as const).map(table => [
      table,
      [
        ...THEIRS,
        ...ownChains(table).map(chain => `:${chain} - [0:0]`),
        ...jumps.filter(jump => jump.table === table).map(jump => `-A ${jumpRule(jump)}`),
        ...(extra[table] ?? []),
      ],
    ]),
  )

t.test('chains and jumps of this mode are removed, and nothing else', async t => {
  const text = renderRemoval(present())
  for (const table of ['nat', 'filter'] as const) {
    for (const chain of ownChains(table)) t.match(text, `-X ${chain}\n`)
  }
  for (const jump of jumps) t.ok(text.includes(`-D ${jumpRule(jump)}\n`), jump.to)
  t.notMatch(text, 'THEIRS')
  t.notMatch(text, 'ACCEPT')
})

t.test('what mode iptables uses stays', async t => {
  const nat = ['-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS']
  const text = renderRemoval(present({ nat }))
  t.equal(renderRemoval(present(), 'iptables'), text, 'told or seen')
  for (const chain of ['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', 'KUBE-FORWARD']) {
    t.notMatch(text, `${chain}\n`, chain)
  }
  for (const chain of ['KUBE-NODE-PORT', 'KUBE-LOAD-BALANCER', 'KUBE-IPVS-FILTER']) {
    t.match(text, `-X ${chain}\n`, chain)
  }
})

t.test('where there is nothing nothing is done', async t => {
  t.equal(
    renderRemoval(
      new Map([
        ['nat', THEIRS],
        ['filter', []],
      ]),
    ),
    '',
  )
})
