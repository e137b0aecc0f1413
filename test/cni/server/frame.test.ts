import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import {
  type CallFrame,
  encodeAnswer,
  FrameError,
  MAGIC,
  MAX_ANSWER_BYTES,
  MAX_CONFIG_BYTES,
  MAX_ENVIRONMENT_BYTES,
  RequestReader,
} from '#cni/server/frame.ts'
import { decodeAnswer, encodeRequest, frame } from '../../helper/cni-frame.ts'

const call: CallFrame = {
  name: '/opt/cni/bin/bridge',
  self: '/opt/cni/bin/bridge',
  env: { CNI_COMMAND: 'ADD', CNI_ARGS: 'A=b;C=d', EMPTY: '' },
  config: Buffer.from('{"name":"ü"}'),
}

t.test('a request is read the same however it is cut into chunks', async t => {
  const bytes = encodeRequest(call)
  const cuts = fc.array(fc.nat(bytes.length), { maxLength: 8 })
  fc.assert(
    fc.property(cuts, places => {
      const reader = new RequestReader()
      const ends = [...places.toSorted((a, b) => a - b), bytes.length]
      let from = 0
      const read = ends.map(end => {
        const chunk = bytes.subarray(from, end)
        from = end
        return chunk.length === 0 ? undefined : reader.push(chunk)
      })
      const whole = read.find(each => each !== undefined)
      t.match(whole, { name: call.name, self: call.self, env: call.env })
      t.equal(Buffer.from(whole?.config ?? []).toString(), '{"name":"ü"}')
    }),
  )
})

const text = (words: string) => Buffer.from(words)
const refused: readonly { title: string; bytes: Buffer }[] = [
  { title: 'another protocol', bytes: text('GET / HTTP/1.1\r\n\r\n') },
  { title: 'a larger environment', bytes: frame([MAX_ENVIRONMENT_BYTES + 1, 0, 0]) },
  { title: 'a larger configuration', bytes: frame([4, MAX_CONFIG_BYTES + 1, 0]) },
  { title: 'the largest numbers', bytes: frame([0xffffffff, 0xffffffff, 0]) },
  { title: 'more than it announced', bytes: frame([4, 0, 0], text('a\0b\0x')) },
  { title: 'no environment', bytes: frame([0, 2, 0], text('{}')) },
  { title: 'a name without the path', bytes: frame([2, 0, 0], text('a\0')) },
  { title: 'an environment without its last NUL', bytes: frame([5, 0, 0], text('a\0b\0c')) },
]
for (const { title, bytes } of refused) {
  t.test(`refused: ${title}`, async t => {
    t.throws(() => new RequestReader().push(bytes), FrameError)
  })
}

t.test(
  'of two variables of one name the first counts; what is no variable is passed over',
  async t => {
    const environment = text('a\0b\0X=1\0X=2\0nonsense\0=y\0__proto__=z\0')
    const read = new RequestReader().push(frame([environment.length, 0, 0], environment))
    t.strictSame(Object.entries(read?.env ?? {}), [
      ['X', '1'],
      ['__proto__', 'z'],
    ])
  },
)

t.test('an answer carries the exit status, stdout and stderr', async t => {
  const answer = { exitCode: 1, stdout: '{"code":7}\n', stderr: 'bridge: ü\n' }
  t.strictSame(decodeAnswer(encodeAnswer(answer)), answer)
})

t.test('the executable has the same numbers', async t => {
  const path = new URL('../../../src/cni/shim/nodeplane-cni.c', import.meta.url)
  const source = readFileSync(path, 'utf8')
  const shifted = (name: string): number => {
    const [, factor, bits] =
      new RegExp(`#define ${name} \\((\\d+)u << (\\d+)\\)`).exec(source) ?? []
    return Number(factor) * 2 ** Number(bits)
  }
  t.equal(shifted('MAX_ENVIRONMENT_BYTES'), MAX_ENVIRONMENT_BYTES)
  t.equal(shifted('MAX_CONFIG_BYTES'), MAX_CONFIG_BYTES)
  t.equal(shifted('MAX_ANSWER_BYTES'), MAX_ANSWER_BYTES)
  t.equal(/#define MAGIC "(.*)"/.exec(source)?.[1], MAGIC)
  t.ok(source.trim().split('\n').length <= 220, 'it stays short')
})
