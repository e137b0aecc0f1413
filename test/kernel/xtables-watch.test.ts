import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { watchXtables } from '#linux/xtables-watch.ts'
import { eventually } from '../helper/eventually.ts'

const iptables = (...words: readonly string[]) => exec('iptables-legacy', words)
const rule = ['-j', 'ACCEPT', '-d', '192.0.2.1']
/** Longer than two looks are apart. */
const TWO_LOOKS_MS = 600

t.test('rules taken out of a legacy table are noticed, others are no loss', async t => {
  let losses = 0
  using _watch = watchXtables(new Set(['nat']), () => losses++)
  await sleep(TWO_LOOKS_MS)
  t.equal(readFileSync('/proc/net/ip_tables_names', 'utf8'), '', 'asking made no table')
  await iptables('-t', 'nat', '-A', 'POSTROUTING', ...rule)
  await sleep(TWO_LOOKS_MS)
  t.equal(losses, 0, 'a rule more')
  await iptables('-t', 'nat', '-D', 'POSTROUTING', ...rule)
  await eventually('the loss to be told', () => losses === 1)
  await iptables('-A', 'FORWARD', ...rule)
  await sleep(TWO_LOOKS_MS)
  await iptables('-F', 'FORWARD')
  await sleep(TWO_LOOKS_MS)
  t.equal(losses, 1, 'a table that nobody asked about')
})
