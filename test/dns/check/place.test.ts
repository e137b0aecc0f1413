import t from 'tap'
import { placeProblem } from '../../../src/dns/check/place.ts'

const TEXT = '.:53 {\n\tforward . 1.2.3 {\n  policy "mad  one"\n}\n'
const columnOf = (line: number, message: string, field?: string) =>
  placeProblem({ file: 'Corefile', line, field, message }, () => TEXT).column

t.test('the column is that of the word in question', async t => {
  t.equal(columnOf(2, '1.2.3 is neither an address nor a file'), 12, 'the first word')
  t.equal(columnOf(2, "'forward' is odd"), 2, 'a quoted word')
  t.equal(columnOf(3, 'needs one of these', 'forward.policy'), 3, 'the field')
  t.equal(columnOf(3, "unknown policy 'mad  one'"), 11, 'a word in quotes of the file')
  t.equal(columnOf(2, 'is odd'), 2, 'else where the text begins')
  t.equal(columnOf(1, 'x', 'a'), 1)
})

t.test('a problem without a line, or in a file that cannot be read, stays as it is', async t => {
  const bare = { message: 'there is no server block' }
  t.strictSame(
    placeProblem(bare, () => TEXT),
    bare,
  )
  const lost = { file: 'gone', line: 3, message: 'x' }
  t.strictSame(
    placeProblem(lost, () => undefined),
    lost,
  )
})
