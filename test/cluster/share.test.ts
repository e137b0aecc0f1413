import t from 'tap'
import { Sharing } from '#cluster/share.ts'

t.test(
  'equal small parts of objects become one in memory, the objects stay what they were',
  async t => {
    const sharing = new Sharing()
    const fresh = () => ({ name: 'a', conditions: { ready: true }, hints: ['zone-1'], empty: [] })
    const [first, second] = [sharing.share(fresh()), sharing.share({ ...fresh(), name: 'b' })]
    t.strictSame(first, fresh())
    t.strictSame(second, { ...fresh(), name: 'b' })
    t.equal(first.conditions, second.conditions)
    t.equal(first.hints, second.hints)
    t.equal(first.empty, second.empty)
  },
)

t.test('what differs only in what JSON cannot say stays apart', async t => {
  const sharing = new Sharing()
  const [with_, without] = [sharing.share({ zone: undefined }), sharing.share({})]
  t.ok(Object.hasOwn(with_, 'zone'))
  t.notOk(Object.hasOwn(without, 'zone'))
})

t.test('however much is met, objects stay right and what is frequent is shared again', async t => {
  const sharing = new Sharing({ keepsTexts: true })
  const labelled = (index: number) => sharing.share({ labels: { app: `app-${index}` } })
  for (let index = 0; index < 10_000; index++) {
    if (labelled(index).labels.app !== `app-${index}`) t.fail(`app-${index} became another`)
  }
  t.equal(labelled(1).labels, labelled(1).labels)
})
