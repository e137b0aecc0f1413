import t from 'tap'
import { Inventory } from '#cluster/manifests/inventory.ts'
import { type ManifestObject, manifestObjectFrom } from '#cluster/manifests/manifest-object.ts'
import { compileWanted } from '#cluster/selection.ts'
import { Pace } from '#runtime/pace.ts'

const filters = compileWanted({ Node: {} })

function node(file: string, name: string, podCIDR: string, line = 1): ManifestObject {
  const value = { metadata: { name }, spec: { podCIDR } }
  const made = manifestObjectFrom({ kind: 'Node', apiVersion: 'v1', value, file, line }, filters)
  if (made === undefined) throw new Error('a Node is not kept')
  return made
}

const cidr = (inventory: Inventory, name = 'n') => inventory.get('Node', name)?.object.podCIDRs[0]
const pace = new Pace()

t.test('the last file in the order of names counts, whichever was read last', async t => {
  const inventory = new Inventory()
  await inventory.replaceFile('b', [node('b', 'n', '10.2.0.0/24')], pace)
  const update = await inventory.replaceFile('a', [node('a', 'n', '10.1.0.0/24')], pace)
  t.equal(cidr(inventory), '10.2.0.0/24')
  t.strictSame(update.changes, [], 'what does not count is no change')
  t.strictSame(update.conflicts, [{ object: 'Node n', places: ['a:1', 'b:1'] }])
  const { changes, conflicts } = await inventory.replaceFile('b', [], pace)
  t.equal(cidr(inventory), '10.1.0.0/24')
  t.match(changes, [{ key: 'n' }])
  t.strictSame(conflicts, [])
})

t.test('a conflict is told once, and again when it ended and came back', async t => {
  const inventory = new Inventory()
  await inventory.replaceFile('a', [node('a', 'n', '10.1.0.0/24')], pace)
  const conflictsOf = async (...objects: ManifestObject[]) =>
    (await inventory.replaceFile('b', objects, pace)).conflicts.length
  t.equal(await conflictsOf(node('b', 'n', '10.2.0.0/24')), 1)
  t.equal(await conflictsOf(node('b', 'n', '10.3.0.0/24', 5)), 0)
  t.equal(await conflictsOf(), 0)
  t.equal(await conflictsOf(node('b', 'n', '10.2.0.0/24')), 1)
})

t.test('an object that did not change stays the same in memory and is no change', async t => {
  const inventory = new Inventory()
  await inventory.replaceFile(
    'a',
    [node('a', 'n', '10.1.0.0/24'), node('a', 'm', '10.1.1.0/24')],
    pace,
  )
  const before = inventory.get('Node', 'n')?.object
  const now = [node('a', 'n', '10.1.0.0/24', 7), node('a', 'm', '10.1.2.0/24')]
  const { changes } = await inventory.replaceFile('a', now, pace)
  t.strictSame(
    changes.map(({ key }) => key),
    ['m'],
  )
  t.equal(inventory.get('Node', 'n')?.object, before)
})

t.test('an object that moves to another file is there all the time', async t => {
  const inventory = new Inventory()
  await inventory.replaceFile('a', [node('a', 'n', '10.1.0.0/24')], pace)
  await inventory.replaceFile('b', [node('b', 'n', '10.1.0.0/24')], pace)
  const { changes } = await inventory.replaceFile('a', [], pace)
  t.strictSame(changes, [])
  t.equal(cidr(inventory), '10.1.0.0/24')
})
