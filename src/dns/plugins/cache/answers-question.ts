import { isRecordOf, type Question, type Reply } from '../../message.ts'

/**
 * Does the reply have a record of what was asked for, at the name or where its aliases lead? A referral, an alias that leads
 * nowhere and an empty answer do not (CoreDNS: plugin/cache, `prefer_positive`).
 */
export function answersQuestion({ name, type }: Question, { rcode, answers }: Reply): boolean {
  if (rcode !== 'NOERROR') return false
  let owner = name.toLowerCase()
  // Each alias is followed once, so the walk ends.
  for (let step = 0; step <= answers.length; step++) {
    const own = answers.filter(record => record.name.toLowerCase() === owner)
    if (own.some(record => record.type === type || type === 'ANY')) return true
    const alias = own.find(record => isRecordOf(record, 'CNAME'))
    if (alias === undefined || !isRecordOf(alias, 'CNAME')) return false
    owner = alias.data.toLowerCase()
  }
  return false
}
