// The Services. Ten thousand are as smooth as ten: only the rows in sight are asked for and in the page.
import { view } from './api.js'
import { byId, h } from './dom.js'
import { bytes, count } from './format.js'
import { whyLink } from './why.js'

/** @typedef {import('../../view/types.ts').ServiceView} Service */

/** Rows beyond the edges of the window that are asked for too. */
const MARGIN = 20
/** A row's height is the style sheet's `--row`. */
const ROW_REM = 2.25

const titles = ['Service', 'Type', 'Cluster IP', 'Ports', 'Ready', 'Conn/s', 'Traffic']

let viewport = h('div')
let rows = h('div')
let first = 0
/** Of the newest question; older answers come too late. */
let asked = 0
let hasScrolled = false

/** Builds the table, and asks again whenever the user filters, orders or scrolls. */
export function startServices() {
  rows = h('div', { role: 'rowgroup' })
  viewport = h('div', { class: 'viewport', tabindex: 0, role: 'presentation' }, rows)
  const head = titles.map(title => h('span', { role: 'columnheader' }, title))
  const table = h(
    'div',
    { role: 'table', 'aria-label': 'Services', id: 'service-rows' },
    h('div', { role: 'rowgroup' }, h('div', { role: 'row', class: 'rows-head' }, ...head)),
    viewport,
  )
  byId('service-table').replaceChildren(table)
  viewport.addEventListener('scroll', onScroll, { passive: true })
  byId('service-form').addEventListener('submit', (/** @type {Event} */ event) =>
    event.preventDefault(),
  )
  for (const id of ['service-filter', 'service-sort']) {
    byId(id).addEventListener('input', () => {
      viewport.scrollTop = 0
      void refreshServices().catch(() => {})
    })
  }
}

/** At most one question for each frame. */
function onScroll() {
  if (hasScrolled) return
  hasScrolled = true
  requestAnimationFrame(() => {
    hasScrolled = false
    void refreshServices().catch(() => {})
  })
}

const rowPixels = () =>
  ROW_REM * Number.parseFloat(getComputedStyle(document.documentElement).fontSize)

/** Asks for the rows in sight and shows them. Rejects when the agent does not answer. */
export async function refreshServices() {
  const height = rowPixels()
  const offset = Math.max(0, Math.floor(viewport.scrollTop / height) - MARGIN)
  const limit = Math.ceil(viewport.clientHeight / height) + 2 * MARGIN
  const question = ++asked
  const query = new URLSearchParams({
    filter: byId('service-filter').value,
    sort: byId('service-sort').value,
    offset: String(offset),
    limit: String(limit),
  })
  const page = await view(`service-page?${query}`)
  if (question !== asked || page === undefined) return
  first = page.offset
  const { matching, total } = page
  byId('service-count').textContent =
    matching === total
      ? `${count(total)} Services`
      : `${count(matching)} of ${count(total)} Services`
  byId('service-rows').setAttribute('aria-rowcount', String(matching + 1))
  rows.style.height = `${matching * height}px`
  rows.replaceChildren(...page.services.map(rowOf))
}

/**
 * @param {Service} service
 * @param {number} index
 */
function rowOf(service, index) {
  const { namespace, name, type, clusterIPs, externalName, ports } = service
  const place = first + index
  const key = `${namespace}/${name}`
  const sum = (/** @type {'connectionsPerSecond' | 'bytes'} */ field) =>
    ports.reduce((/** @type {number | undefined} */ total, { traffic }) => {
      const value = traffic?.[field]
      return value === undefined ? total : (total ?? 0) + value
    }, undefined)
  const cells = [
    h('span', { role: 'rowheader', title: key }, key),
    cell(type),
    cell(externalName ?? clusterIPs.join(', ')),
    cell(ports.map(portText).join(', ')),
    h('span', { role: 'cell' }, readiness(service, key)),
    cell(count(sum('connectionsPerSecond'))),
    cell(bytes(sum('bytes'))),
  ]
  const row = h('div', { role: 'row', class: 'row', 'aria-rowindex': place + 2 }, ...cells)
  // Not as an attribute: the page's policy allows no inline styles.
  row.style.top = `calc(${place} * var(--row))`
  return row
}

/** @param {string} text */
const cell = text => h('span', { role: 'cell', title: text }, text)

/** @param {Service['ports'][number]} port */
const portText = ({ port, nodePort, protocol }) =>
  `${port}${nodePort === undefined ? '' : `:${nodePort}`}/${protocol}`

/**
 * How many endpoints are ready; where a port has none, a link to the reason.
 * @param {Service} service
 * @param {string} key
 */
function readiness({ ports, type }, key) {
  if (type === 'ExternalName' || ports.length === 0) return '–'
  const text = ports.map(({ ready, endpoints }) => `${ready}/${endpoints}`).join(', ')
  const isLacking = ports.some(({ ready }) => ready === 0)
  if (!isLacking) return h('span', { class: 'state OK' }, text)
  const link = whyLink(`${key} has no ready endpoint`, text, key)
  link.classList.add('state', 'FAIL')
  return link
}
