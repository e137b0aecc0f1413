import { execFileSync } from 'node:child_process'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { RouteGroup, watchNftTable, watchRouting } from '#linux/netlink/events.ts'
import { NftMonitor } from '#linux/nft-monitor.ts'
import { eventually } from '../helper/eventually.ts'

/** A transaction of so many elements, all of them new. */
const transaction = (number: number, count: number): string => {
  const added = Array.from(
    { length: count },
    (_, n) => `${10 + number}.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
  )
  return `add element ip flood s { ${added.join(', ')} }\n`
}

t.test('events that nobody reads in time are told as lost, and do not end the process', async t => {
  await exec('nft', ['add', 'table', 'ip', 'flood'])
  await exec('nft', ['add', 'set', 'ip', 'flood', 's', '{ type ipv4_addr; }'])
  let changes = 0
  let losses = 0
  using _table = watchNftTable('flood', () => changes++)
  using _routes = watchRouting(
    Object.values(RouteGroup),
    () => {},
    () => losses++,
  )
  using monitor = NftMonitor.open({ family: 4, concerns: () => true })
  // The largest of the buffers has 16 MiB; two hundred thousand elements fill half of it. Nothing is read meanwhile.
  for (let number = 0; number < 5; number++) {
    execFileSync('nft', ['-f', '-'], { input: transaction(number, 200_000) })
  }
  let told = ''
  void monitor.next(new AbortController().signal).then(({ reason }) => {
    told += reason
  })
  await eventually('the loss to be told', () => /events were lost/.test(told))
  t.ok(changes > 0)
  t.equal(losses, 0, 'who watches routes has lost none')
  const before = changes
  await exec('nft', ['delete', 'table', 'ip', 'flood'])
  await eventually('the next change', () => changes > before)
})
