import t from 'tap'
import type { XtablesInfo } from '#linux/xtables-info.ts'
import { LegacyWatch } from '../../../src/proxy/iptables/legacy-watch.ts'

const signal = new AbortController().signal

/** A watch whose tables are what `sizes` says; each look is a step of `looks`, after which it is stopped. */
function watching(looks: readonly (() => void)[]) {
  const sizes: { nat: XtablesInfo | undefined } = { nat: { entries: 10, bytes: 1000 } }
  const stop = new AbortController()
  let look = 0
  const watch = new LegacyWatch({
    read: table => (table === 'nat' ? sizes.nat : { entries: 1, bytes: 1 }),
    close: () => {},
    clock: {
      now: () => 0,
      monotonic: () => 0,
      async sleep() {
        if (look === looks.length) stop.abort()
        stop.signal.throwIfAborted()
        looks[look++]?.()
      },
    },
  })
  watch.write()[Symbol.dispose]()
  return { watch, sizes, next: () => watch.next(signal).then(({ reason }) => reason) }
}

const outcome = async (change: (nat: XtablesInfo) => XtablesInfo | undefined) => {
  const run = watching([
    () => {
      run.sizes.nat = change({ entries: 10, bytes: 1000 })
    },
  ])
  return await run.next().catch(() => 'nothing')
}

for (const [title, change, want] of [
  ['nothing happens', nat => nat, 'nothing'],
  ['others add rules', () => ({ entries: 12, bytes: 1300 }), 'nothing'],
  ['rules go', () => ({ entries: 8, bytes: 800 }), 'rules were taken out of nat'],
  [
    'one takes the place of another',
    () => ({ entries: 10, bytes: 900 }),
    'rules were taken out of nat',
  ],
  ['the table goes', () => undefined, 'rules were taken out of nat'],
] as const satisfies readonly (readonly [
  string,
  (nat: XtablesInfo) => XtablesInfo | undefined,
  string,
])[]) {
  t.test(title, async t => t.equal(await outcome(change), want))
}

t.test('what we write is not told; what went just before is', async t => {
  const run = watching([() => {}])
  const write = run.watch.write()
  run.sizes.nat = { entries: 5, bytes: 500 }
  write[Symbol.dispose]()
  t.equal(await run.next().catch(() => 'nothing'), 'nothing')
  const other = watching([() => {}])
  other.sizes.nat = { entries: 9, bytes: 900 }
  const later = other.watch.write()
  other.sizes.nat = { entries: 12, bytes: 1200 }
  later[Symbol.dispose]()
  t.equal(await other.next(), 'rules were taken out of nat')
})
