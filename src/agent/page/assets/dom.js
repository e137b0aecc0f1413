// Elements from values. Everything that comes from the cluster is text: nothing here parses HTML.

/**
 * @typedef {string | number | Node | undefined | null} Child
 * @typedef {{ title: string, value: (row: any) => Child, isNumber?: boolean }} Column
 */

/**
 * An element with attributes and children; attributes that are undefined are left out.
 * @param {string} tag
 * @param {Record<string, string | number | undefined>} [attributes]
 * @param {...Child} children
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

/**
 * The same in SVG.
 * @param {string} tag
 * @param {Record<string, string | number | undefined>} [attributes]
 * @param {...Child} children
 */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children)
}

/**
 * @template {Element} T
 * @param {T} element
 * @param {Record<string, string | number | undefined>} attributes
 * @param {readonly Child[]} children
 * @returns {T}
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, String(value))
  }
  for (const child of children) {
    if (child === undefined || child === null) continue
    element.append(child instanceof Node ? child : String(child))
  }
  return element
}

/**
 * The element of the page with this id.
 * @param {string} id
 * @returns {any} of whatever kind index.html has it
 */
export function byId(id) {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no #${id}`)
  return element
}

/**
 * Shows a table in place of what an element had.
 * @param {string} id
 * @param {{ caption: string, columns: readonly Column[], rows: readonly any[], empty: string }} table
 */
export function showTable(id, { caption, columns, rows, empty }) {
  if (rows.length === 0) {
    byId(id).replaceChildren(h('p', { class: 'quiet' }, empty))
    return
  }
  const numeric = (/** @type {Column} */ { isNumber }) => (isNumber ? 'number' : undefined)
  const head = columns.map(each => h('th', { scope: 'col', class: numeric(each) }, each.title))
  const lines = rows.map(row =>
    h('tr', {}, ...columns.map(each => h('td', { class: numeric(each) }, each.value(row)))),
  )
  byId(id).replaceChildren(
    h(
      'table',
      {},
      h('caption', {}, caption),
      h('thead', {}, h('tr', {}, ...head)),
      h('tbody', {}, ...lines),
    ),
  )
}
