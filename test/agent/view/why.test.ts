import t from 'tap'
import { WhyDesk } from '#agent/view/why.ts'

const { signal } = new AbortController()

t.test('one walk at a time; equal questions share it, others wait', async t => {
  const asked: string[] = []
  const walk = Promise.withResolvers<string>()
  const desk = new WhyDesk(target => {
    asked.push(target)
    return walk.promise
  })
  const first = desk.answer('shop/web', signal)
  const same = desk.answer('shop/web', signal)
  t.match(await desk.answer('shop/db', signal), { isBusy: true })
  walk.resolve('all is well')
  t.strictSame(await first, { target: 'shop/web', isBusy: false, text: 'all is well' })
  t.strictSame(await same, await first)
  t.strictSame(asked, ['shop/web'])
  t.match(await desk.answer('shop/db', signal), { isBusy: false })
})

t.test('what would be an option, or no name at all, is not asked', async t => {
  const desk = new WhyDesk(() => Promise.reject(new Error('was asked')))
  for (const target of ['', '--manifests=/etc', '-n', 'a b', 'a;b', `${'a'.repeat(400)}`, '../x']) {
    t.equal(await desk.answer(target, signal), undefined, target)
  }
})
