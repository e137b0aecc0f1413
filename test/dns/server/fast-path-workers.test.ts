import t from 'tap'
import { MAX_ALL_WORKERS, WorkerBudget } from '../../../src/dns/server/fast-path-workers.ts'

t.test('listeners get the workers that they want, as long as there are some', async t => {
  const budget = new WorkerBudget(5)
  t.equal(budget.take(2), 2)
  t.equal(budget.take(1024), 3)
  t.equal(budget.take(1), 0)
  budget.giveBack(2)
  t.equal(budget.take(1), 1)
})

t.test('a thousand sockets are 32 workers', async t => {
  t.equal(new WorkerBudget().take(1024), MAX_ALL_WORKERS)
  t.equal(MAX_ALL_WORKERS, 32)
})
