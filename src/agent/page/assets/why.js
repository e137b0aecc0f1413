// What stands behind a red item: the answer of `nodeplane why`, or how to get it.
import { byId, h } from './dom.js'

/**
 * A link to the answer.
 * @param {string} what for people who hear the page
 * @param {string} text
 * @param {string} target what `nodeplane why` is asked, or `doctor`
 */
export const whyLink = (what, text, target) =>
  h('a', { href: `#why/${encodeURIComponent(target)}`, 'aria-label': `Why: ${what}` }, text)

/** Opens the dialog for links of the form `#why/TARGET`, whoever follows them. */
export function followWhyLinks() {
  const follow = () => {
    const [, target] = /^#why\/(.+)$/.exec(location.hash) ?? []
    if (target !== undefined) show(decodeURIComponent(target))
  }
  addEventListener('hashchange', follow)
  byId('why').addEventListener('close', () => history.replaceState(null, '', location.pathname))
  follow()
}

/** @param {string} target */
function show(target) {
  const command = target === 'doctor' ? 'nodeplane doctor' : `nodeplane why ${target}`
  byId('why-title').textContent = target === 'doctor' ? 'Why?' : `Why: ${target}`
  byId('why-text').textContent = `As root, on this node:\n\n  ${command}`
  byId('why').showModal()
}
