import t from 'tap'
import { linesOf } from '#cluster/api/line-splitter.ts'

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text, 'latin1')
}

const cases: readonly { title: string; texts: string[]; lines: string[] }[] = [
  { title: 'lines in one chunk', texts: ['a\nb\n'], lines: ['a', 'b'] },
  { title: 'a line over many chunks', texts: ['a', '', 'b', 'c\nd\n'], lines: ['abc', 'd'] },
  { title: 'a character over two chunks', texts: ['\xc3', '\xa9\n'], lines: ['é'] },
  { title: 'empty lines are left out', texts: ['\n\na\n\n'], lines: ['a'] },
  { title: 'a last line without end is left out', texts: ['a\nb'], lines: ['a'] },
]
for (const { title, texts, lines } of cases) {
  t.test(title, async t => {
    t.strictSame(await Array.fromAsync(linesOf(chunks(...texts))), lines)
  })
}

t.test('a line that is too long is refused; long chunks of short lines are not', async t => {
  t.equal((await Array.fromAsync(linesOf(chunks('a\n'.repeat(100)), 10))).length, 100)
  await t.rejects(Array.fromAsync(linesOf(chunks('a\n', '123456', '78901'), 10)), {
    failure: 'garbage',
    message: /longer than 10 bytes/,
  })
})
