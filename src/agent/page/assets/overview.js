// The node at a glance.
import { byId, h, showTable } from './dom.js'
import { age, bytes, time } from './format.js'
import { whyLink } from './why.js'

/** @typedef {import('../../status/status.ts').Status} Status */

/** @param {Status} status */
export function showOverview(status) {
  const { node, version, upSeconds, memoryBytes, severity, parts } = status
  document.title = `${severity === 'OK' ? '' : `${severity}: `}${node} – nodeplane`
  byId('node').textContent = node
  const facts = `, nodeplane ${version}, up ${age(upSeconds * 1000)}, ${bytes(memoryBytes)}`
  byId('summary').replaceChildren(h('span', { class: `state ${severity}` }, severity), facts)
  showTable('parts', {
    caption: 'The parts of the agent, in the order in which a node needs them',
    rows: parts,
    empty: 'The agent has no parts.',
    columns: [
      { title: 'Part', value: ({ part }) => part },
      {
        title: 'State',
        value: each => h('span', { class: `state ${each.severity}` }, each.severity),
      },
      { title: 'Details', value: partDetails },
    ],
  })
}

/** @param {Status['parts'][number]} line */
function partDetails({ part, severity, summary, reason }) {
  if (reason === undefined) return summary
  const told = h('span', { class: severity }, reason)
  const link = severity === 'FAIL' ? whyLink(`part ${part}`, 'why?', 'doctor') : undefined
  return h('div', {}, told, ' ', link, h('div', { class: 'quiet' }, summary))
}

/** @typedef {import('../../view/types.ts').IncidentView} Incident */

/** @param {readonly Incident[]} incidents the oldest first */
export function showIncidents(incidents) {
  showTable('incident-table', {
    caption: 'What went wrong and was noticed, the newest first',
    rows: incidents.toReversed(),
    empty: 'Nothing went wrong since the agent started.',
    columns: [
      { title: 'At', value: ({ atMs }) => time(atMs) },
      { title: 'Part', value: ({ part }) => part },
      {
        title: 'What',
        value: ({ message, by }) => (by === undefined ? message : `${message}, by ${by}`),
      },
      { title: 'State', value: incidentState },
    ],
  })
}

/** @param {Incident} incident */
const incidentState = ({ atMs, healedMs }) =>
  healedMs === undefined
    ? h('span', { class: 'state FAIL' }, 'goes on')
    : h('span', { class: 'state OK' }, `put right after ${healedMs - atMs} ms`)
