import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { AnswerReader } from '#dns/fast/answer-reader.ts'
import { AnswerTable, type EntryHandle } from '#dns/fast/answer-table.ts'
import { RawQuestion } from '#dns/fast/raw-question.ts'
import { createTableMemory } from '#dns/fast/table-memory.ts'
import { templateFrom } from '#dns/fast/template.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import type { IpAddress } from '#net/ip.ts'
import { message, question } from '../../helper/dns.ts'
import { eventually } from '../../helper/eventually.ts'
import { packetOf } from '../../helper/fast-block.ts'

const NAMES = 24
const SEED = 5
const MAKINGS = 30_000
/** So many must have been read while answers were made, however late the reader's thread gets its turn. */
const READ = 1000

const nameOf = (number: number) => `h${String(number).padStart(2, '0')}.example.org.`
const packets = Array.from({ length: NAMES }, (_, number) =>
  packetOf({ question: question({ name: nameOf(number) }) }),
)

/** An answer of some addresses, each the number of the name and the making. */
function answerOf(number: number, making: number): Uint8Array {
  const data = `${number}.${making >> 16}.${(making >> 8) & 255}.${making & 255}` as IpAddress
  const name = nameOf(number)
  const record = { name, type: 'A', class: 'IN', ttl: 5, data } as const
  const answers = Array.from({ length: 1 + (making % 7) }, () => record)
  return encodeMessage(message({ isResponse: true, question: question({ name }), answers }))
}

t.test(
  'readers on another thread never see a part of an answer, nor one that was taken back',
  async t => {
    // So small that entries are overwritten all the time.
    const memory = createTableMemory(8 * 1024)
    const table = new AnswerTable(memory)
    const reader = new AnswerReader(memory, 1)
    const raw = new RawQuestion(SEED)
    const makings = new Int32Array(new SharedArrayBuffer(NAMES * 4))
    const read = new Int32Array(new SharedArrayBuffer(4))
    const workerData = { memory, seed: SEED, packets, makings, read }
    const file = join(import.meta.dirname, '../../fixtures/table-reader.ts')
    const worker = new Worker(file, { workerData })
    await once(worker, 'online')
    // It says so once, at its end or where it found too much: it may be before the last making.
    const said = once(worker, 'message') as Promise<[string[]]>
    const handles: (EntryHandle | undefined)[] = []
    for (let making = 0; making < MAKINGS || Atomics.load(read, 0) < READ; making++) {
      const number = (making * 7) % NAMES
      const packet = packets[number] as Uint8Array
      raw.read(packet, 0, packet.length, 1)
      const octets = answerOf(number, making)
      handles[number]?.drop()
      Atomics.store(makings, number, making)
      const entry = {
        template: templateFrom(octets, octets, raw.nameLength),
        hasEdns: false,
        rotates: false,
        freshUntilMs: Number.POSITIVE_INFINITY,
        ttlEndMs: undefined,
        eraMark: 0,
        onDrop: () => undefined,
      }
      handles[number] = table.put(raw, entry, { reader, isRight: () => true })
    }
    Atomics.store(makings, 0, -1)
    const [problems] = await said
    t.strictSame(problems, [])
    await eventually('its end', () => worker.threadId === -1)
  },
)
