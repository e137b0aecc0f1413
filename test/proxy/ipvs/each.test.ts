import t from 'tap'
import { each } from '../../../src/proxy/ipvs/each.ts'

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

t.test('all are done, some at a time', async t => {
  const done: number[] = []
  let [running, most] = [0, 0]
  await each(numbers(150), async number => {
    most = Math.max(most, ++running)
    await Promise.resolve()
    running--
    done.push(number)
  })
  t.strictSame(done, numbers(150))
  t.ok(most > 1 && most < 150, String(most))
  await t.resolves(each([], () => Promise.reject(new Error('never'))))
})

t.test(
  'after an error nothing goes on: what was begun has ended, the rest never begins',
  async t => {
    const steps = new Map<number, PromiseWithResolvers<void>>()
    const ended: number[] = []
    let isOver = false
    const result = each(numbers(100), async number => {
      const step = Promise.withResolvers<void>()
      steps.set(number, step)
      await step.promise
      ended.push(number)
    }).finally(() => {
      isOver = true
    })
    const refused = t.rejects(result, { message: 'refused' })
    const begun = steps.size
    steps.get(1)?.reject(new Error('refused'))
    steps.get(3)?.reject(new Error('refused too'))
    await new Promise(setImmediate)
    t.equal(isOver, false, 'the others are still at it')
    for (const step of steps.values()) step.resolve()
    await refused
    t.equal(ended.length, begun - 2)
    t.equal(steps.size, begun, 'nothing new has begun')
  },
)
