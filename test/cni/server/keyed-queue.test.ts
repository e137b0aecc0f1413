import t from 'tap'
import { KeyedQueue } from '#cni/server/keyed-queue.ts'

t.test('work of one key waits for what came before, failures too; other keys do not', async t => {
  const queue = new KeyedQueue()
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = queue.run('a', async () => {
    await gate.promise
    order.push('first')
    throw new Error('no')
  })
  const second = queue.run('a', async () => order.push('second'))
  await queue.run('b', async () => order.push('other'))
  t.strictSame(order, ['other'])
  gate.resolve()
  await t.rejects(first, { message: 'no' })
  await second
  t.strictSame(order, ['other', 'first', 'second'])
  t.equal(await queue.run('a', async () => 1), 1)
})
