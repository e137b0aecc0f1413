import t from 'tap'
import { z } from 'zod'
import { formatPath, parseConfig, parsePath } from '#runtime/config-file.ts'
import { ConfigError } from '#runtime/error.ts'

const schema = z.strictObject({
  mode: z.enum(['a', 'b']).default('a'),
  conntrack: z.strictObject({ min: z.number().int().min(0) }).optional(),
  list: z.array(z.strictObject({ port: z.number() })).default([]),
})

const messages = (text: string): readonly string[] => {
  try {
    parseConfig(schema, text, 'f.yaml')
    return []
  } catch (error) {
    return error instanceof ConfigError
      ? error.message.split('\n')
      : ['not a ConfigError', String(error)]
  }
}

t.test('a good file: defaults filled in, JSON too', async t => {
  t.strictSame(parseConfig(schema, 'mode: b\n', 'f.yaml').value, { mode: 'b', list: [] })
  t.strictSame(parseConfig(schema, '{"list":[{"port":1}]}', 'f').value, {
    mode: 'a',
    list: [{ port: 1 }],
  })
  t.strictSame(parseConfig(schema, '', 'f').value, { mode: 'a', list: [] })
})

t.test('every problem is told, each with its line, column and path', async t => {
  const said = messages('mode: c\nconntrack:\n  min: -1\nlist:\n  - port: x\n')
  t.equal(said.length, 3)
  t.match(said[0], /^f\.yaml:1:1: mode: .*"a"\|"b"/)
  t.match(said[1], /^f\.yaml:3:3: conntrack\.min: /)
  t.match(said[2], /^f\.yaml:5:5: list\[0\]\.port: .*number/)
})

t.test('the offending value is named, and unknown fields are told with the rest', async t => {
  const said = messages('mode: c\nmod: a\n')
  t.match(said[0], /^f\.yaml:1:1: mode: "c": expected one of "a"\|"b"$/)
  t.match(said[1], /^f\.yaml:2:1: mod: unknown field$/)
})

t.test('a missing field is placed at what should hold it', async t => {
  t.match(messages('mode: a\nconntrack: {}\n')[0], /^f\.yaml:2:1: conntrack\.min: /)
})

t.test('broken YAML and duplicate keys: the place of the fault', async t => {
  t.match(messages('mode: [a\n')[0], /^f\.yaml:2:1: /)
  t.match(messages('mode: a\nmode: b\n')[0], /^f\.yaml:2:1: .*unique/)
})

t.test('unknown fields are handed back with their places and the rest is read', async t => {
  const { value, unknownFields } = parseConfig(
    schema,
    'list:\n  - port: 1\n    prt: 2\nnew: 1\n',
    'f',
  )
  t.strictSame(value, { mode: 'a', list: [{ port: 1 }] })
  t.strictSame(
    unknownFields.map(({ line, field }) => [line, field]),
    [
      [3, 'list[0].prt'],
      [4, 'new'],
    ],
  )
})

t.test('paths are written and read back', async t => {
  for (const [path, text] of [
    [['spec', 'ports', 2, 'port'], 'spec.ports[2].port'],
    [['list', 0, 1], 'list[0][1]'],
    [[], ''],
  ] as const) {
    t.equal(formatPath(path), text)
    t.strictSame(parsePath(text), path)
  }
})
