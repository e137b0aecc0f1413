import t from 'tap'
import { diffView } from '../../../src/agent/view/diff.ts'
import { diffText } from '../../../src/cli/diff.ts'

t.test('what one part cannot tell does not keep the others from it', async t => {
  const view = await diffView(
    [
      { name: 'routes', differences: () => Promise.reject(new Error('no netlink')) },
      { name: 'proxy', differences: async () => [{ place: 'ip nodeplane vips', wanted: 'a' }] },
      { name: 'dns', differences: async () => [] },
    ],
    new AbortController().signal,
  )
  t.strictSame(view, [
    { part: 'routes', unknown: 'no netlink', differences: [] },
    { part: 'proxy', differences: [{ place: 'ip nodeplane vips', wanted: 'a' }] },
    { part: 'dns', differences: [] },
  ])
  t.equal(
    diffText(view),
    'routes: not known: no netlink\nproxy:\n+ ip nodeplane vips: a\ndns: no difference\n',
  )
})

t.test('a change is both; nothing in a value can move the cursor', t => {
  const change = { place: 'p', wanted: 'new\u001b[2J', found: 'old' }
  t.equal(diffText([{ part: 'cni', differences: [change] }]), 'cni:\n- p: old\n+ p: new?[2J\n')
  t.end()
})
