import { Socket } from 'node:net'
import t from 'tap'
import { Connections } from '../../../src/dns/server/connections.ts'

t.test('the longest idle connection makes room, a busy one does not', async t => {
  const connections = new Connections(() => 2)
  const [first, second, third, fourth] = [new Socket(), new Socket(), new Socket(), new Socket()]
  t.ok(connections.admit(first))
  t.ok(connections.admit(second))
  connections.idle(second)
  connections.idle(first)
  t.ok(connections.admit(third))
  t.strictSame([first.destroyed, second.destroyed], [false, true])
  connections.busy(first)
  t.notOk(connections.admit(fourth))
  t.strictSame([first.destroyed, fourth.destroyed], [false, true])
})

t.test('unread answers cut a connection when all have 64 MiB of them', async t => {
  const connections = new Connections(() => 2)
  const [own, other] = [new Socket(), new Socket()]
  const MIB = 1024 * 1024
  const sent = connections.unsent(own, 63 * MIB, 63 * MIB)
  t.notOk(own.destroyed, 'there is room')
  connections.unsent(other, 2 * MIB, 200_000)
  t.notOk(other.destroyed, 'it has no more than its share')
  connections.unsent(own, 1, 63 * MIB)
  t.ok(own.destroyed)
  sent()
  connections.unsent(other, 1, 2 * MIB)
  t.notOk(other.destroyed, 'there is room again')
})
