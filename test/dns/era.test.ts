import t from 'tap'
import { Era, isOfNow, madeNow } from '#dns/era.ts'

t.test('what was made in an era is of now until the next one begins', async t => {
  const era = new Era()
  const first = madeNow(era)
  t.ok(isOfNow(first))
  era.next()
  t.notOk(isOfNow(first))
  t.ok(isOfNow(madeNow(era)))
  era.next()
  t.notOk(isOfNow(first), 'it does not come back')
})

t.test('who watches is told that the next one has begun, until he ends that', async t => {
  const era = new Era()
  const seen: number[] = []
  const end = era.watch(() => seen.push(era.number))
  era.next()
  era.next()
  end()
  era.next()
  t.strictSame(seen, [1, 2])
})

t.test('one who ends his watch while he is told keeps no other from being told', async t => {
  const era = new Era()
  const told: string[] = []
  const end = era.watch(() => {
    told.push('first')
    end()
  })
  era.watch(() => told.push('second'))
  era.next()
  t.strictSame(told, ['first', 'second'])
})
