import type { Question, Reply, ResourceRecord } from '../../message.ts'
import { isRecordOf } from '../../message.ts'
import { classes, type Mnemonics, rcodes, recordTypes } from '../../wire/mnemonics.ts'
import { lookUp } from '../follow-alias.ts'
import { isMatchKind, nameMap, nameTest } from './name-match.ts'
import type { ParsedRule } from './rule.ts'

/** Reads `FROM TO` of a `type` or `class` rule. A string says what is wrong. */
export const parseQuestionRule =
  (field: 'type' | 'class') =>
  (words: readonly string[]): ParsedRule | string => {
    const known: Mnemonics = field === 'type' ? recordTypes : classes
    const [from, to] = words.map(word => known.toNumber(word))
    if (from === undefined || to === undefined || words.length !== 2) {
      return `${field} needs two ${field === 'type' ? 'types, e.g. type ANY HINFO' : 'classes, e.g. class CH IN'}`
    }
    const change = { [field]: known.toText(to) } as Partial<Question>
    const wanted = known.toText(from)
    return query =>
      query.question[field] === wanted
        ? { query: { ...query, question: { ...query.question, ...change } } }
        : undefined
  }

/** The name that a rule is for: `[KIND] NAME`, and the words behind. */
function parseSubject(words: readonly string[], count: number) {
  const kind = isMatchKind(words[0]) ? words[0] : 'exact'
  const [name, ...rest] = isMatchKind(words[0]) ? words.slice(1) : words
  if (name === undefined || rest.length !== count) return undefined
  return { fits: nameTest(kind, name), rest }
}

/** Reads `[KIND] NAME SECONDS|MIN-MAX|MIN-|-MAX` of a `ttl` rule. A string says what is wrong. */
export function parseTtlRule(words: readonly string[]): ParsedRule | string {
  const subject = parseSubject(words, 1)
  const [, exact, min, max] =
    /^(?:(\d{1,9})|(\d{0,9})-(\d{0,9}))$/.exec(subject?.rest[0] ?? '') ?? []
  const least = Number(exact ?? (min || 0))
  const most = Number(exact ?? (max || 0x7fffffff))
  const isRange = exact !== undefined || (min !== undefined && `${min}${max}` !== '')
  if (subject === undefined || !isRange || least > most) {
    return 'ttl needs a name and seconds: 30, 30-60, 30- or -60'
  }
  const { fits } = subject
  if (typeof fits === 'string') return fits
  const clamp = (records: readonly ResourceRecord[]) =>
    records.map(record => ({ ...record, ttl: Math.min(most, Math.max(least, record.ttl)) }))
  const onReply = (reply: Reply): Reply => ({
    ...reply,
    answers: clamp(reply.answers),
    authorities: clamp(reply.authorities),
    additionals: clamp(reply.additionals),
  })
  return query => (fits(query.question.name.toLowerCase()) ? { query, onReply } : undefined)
}

/** Reads `[KIND] NAME OLD NEW` of an `rcode` rule. A string says what is wrong. */
export function parseRcodeRule(words: readonly string[]): ParsedRule | string {
  const subject = parseSubject(words, 2)
  const [from, to] = (subject?.rest ?? []).map(word => rcodes.toNumber(word))
  if (subject === undefined || from === undefined || to === undefined) {
    return 'rcode needs a name and two rcodes, e.g. rcode example.org NXDOMAIN NOERROR'
  }
  const { fits } = subject
  if (typeof fits === 'string') return fits
  const onReply = (reply: Reply): Reply =>
    rcodes.toNumber(reply.rcode) === from ? { ...reply, rcode: rcodes.toText(to) } : reply
  return query =>
    fits(query.question.name.toLowerCase()) ? { query, onReply, changesRcode: true } : undefined
}

/**
 * Reads `[KIND] FROM TO` of a `cname` rule: an alias in the answer whose target fits leads elsewhere, and what stands there is
 * looked up. A string says what is wrong.
 */
export function parseCnameRule(words: readonly string[]): ParsedRule | string {
  const kind = isMatchKind(words[0]) ? words[0] : 'exact'
  const [from, to, ...more] = isMatchKind(words[0]) ? words.slice(1) : words
  if (from === undefined || to === undefined || more.length > 0) {
    return 'cname needs the target to look for and what to make of it'
  }
  const map = nameMap(kind, from, to)
  if (typeof map === 'string') return map
  return query => ({
    query,
    async onReply(reply, context) {
      const at = reply.answers.findIndex(
        record => isRecordOf(record, 'CNAME') && map(record.data.toLowerCase()) !== undefined,
      )
      const alias = reply.answers[at]
      if (alias === undefined || !isRecordOf(alias, 'CNAME')) return reply
      const target = map(alias.data.toLowerCase()) ?? alias.data
      const answers = [...reply.answers.slice(0, at), { ...alias, data: target }]
      if (context.query.question.type === 'CNAME') return { ...reply, answers }
      const found = await lookUp(target, context)
      return {
        ...reply,
        rcode: found?.rcode ?? 'SERVFAIL',
        answers: [...answers, ...(found?.answers ?? [])],
        authorities: found?.authorities ?? [],
        additionals: found?.additionals ?? [],
        truncated: found?.truncated ?? false,
      }
    },
  })
}
