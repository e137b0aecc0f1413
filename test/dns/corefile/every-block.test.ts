import t from 'tap'
import { withInEveryBlock } from '#dns/corefile/every-block.ts'
import { parseCorefile } from '#dns/corefile/parser.ts'

t.test('a directive is put where it is missing, and nowhere twice', t => {
  const system = { env: {}, read: () => '', glob: () => [] }
  const text = 'a.org {\n whoami\n}\nb.org {\n pods_policy {\n node a\n }\n}'
  const { blocks } = withInEveryBlock(parseCorefile(text, 'Corefile', system), 'pods_policy')
  t.match(
    blocks.map(({ directives }) => directives.map(({ name, args }) => [name, ...args])),
    [[['whoami'], ['pods_policy']], [['pods_policy']]],
  )
  t.strictSame(blocks[0]?.directives.at(-1)?.position, { file: 'Corefile', line: 1 })
  t.equal(blocks[1]?.directives.length, 1)
  t.end()
})
