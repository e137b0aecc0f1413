// Pods of this node, and the ways to those of others.
import { byId, h, showTable, svg } from './dom.js'

/** @typedef {import('../../view/types.ts').RoutesView} RoutesView */
/** @typedef {RoutesView['nodes'][number]} RouteNode */

/** Nodes that are drawn; the table has them all. */
const MAX_DRAWN = 24
const WIDTH = 640
const HEIGHT = 340

/** @param {readonly import('../../view/types.ts').PodView[] | undefined} pods */
export function showPods(pods) {
  showTable('pod-table', {
    caption: 'Interfaces that this node’s CNI plugins made',
    rows: pods ?? [],
    empty: pods === undefined ? 'Pods are wired by somebody else.' : 'No pod is attached.',
    columns: [
      { title: 'Pod', value: ({ pod, containerId }) => pod ?? containerId.slice(0, 12) },
      { title: 'Addresses', value: ({ addresses }) => addresses.join(', ') },
      { title: 'Network', value: ({ network }) => network },
      { title: 'Host interface', value: ({ hostInterface }) => hostInterface },
    ],
  })
}

/** @param {RoutesView | undefined} routes */
export function showRoutes(routes) {
  byId('route-map').replaceChildren(...(routes === undefined ? [] : [map(routes.nodes)]))
  showTable('route-table', {
    caption: routes?.mtu === undefined ? 'Nodes' : `Nodes; the MTU of pods is ${routes.mtu}`,
    rows: routes?.nodes ?? [],
    empty: routes === undefined ? 'Routes are somebody else’s.' : 'No other node is known.',
    columns: [
      { title: 'Node', value: ({ node }) => node },
      { title: 'Pods', value: ({ podCIDRs }) => podCIDRs.join(', ') },
      { title: 'Addresses', value: ({ addresses }) => addresses.join(', ') },
      { title: 'Way', value: wayOf },
    ],
  })
}

/** @param {RouteNode} node */
function wayOf({ via, reason, podCIDRs }) {
  if (via !== 'none') return via === 'own' ? 'this node' : via
  if (podCIDRs.length === 0) return 'no pods yet'
  return h('span', { class: 'state FAIL' }, `none${reason === undefined ? '' : `: ${reason}`}`)
}

/**
 * This node in the middle, the others around it.
 * @param {readonly RouteNode[]} nodes
 */
function map(nodes) {
  const others = nodes.filter(({ via }) => via !== 'own')
  const drawn = others.slice(0, MAX_DRAWN)
  const own = nodes.find(({ via }) => via === 'own')
  const x = WIDTH / 2
  const y = HEIGHT / 2
  const spokes = drawn.map((node, index) => {
    const angle = (index / drawn.length) * 2 * Math.PI - Math.PI / 2
    return spoke(node, { x, y, toX: x + Math.cos(angle) * 235, toY: y + Math.sin(angle) * 125 })
  })
  const label =
    others.length > drawn.length
      ? `This node and ${drawn.length} of ${others.length} others`
      : `This node and ${others.length} others`
  return svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, role: 'img', 'aria-label': label },
    ...spokes,
    own && svg('g', { class: 'own' }, ...dot(own, x, y)),
  )
}

/**
 * @param {RouteNode} node
 * @param {{ x: number, y: number, toX: number, toY: number }} place
 */
const spoke = (node, { x, y, toX, toY }) =>
  svg(
    'g',
    { class: node.via },
    svg('title', {}, `${node.node}: ${node.via}`),
    svg('line', { x1: x, y1: y, x2: toX, y2: toY }),
    ...dot(node, toX, toY),
  )

/**
 * @param {RouteNode} node
 * @param {number} x
 * @param {number} y
 */
const dot = ({ node, podCIDRs }, x, y) => [
  svg('circle', { cx: x, cy: y, r: 9 }),
  svg('text', { x, y: y + 24, 'text-anchor': 'middle' }, node),
  svg('text', { class: 'small', x, y: y + 36, 'text-anchor': 'middle' }, podCIDRs[0] ?? ''),
]
