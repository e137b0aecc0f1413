// What stands behind a red item: the answer of `nodeplane why`, or how to get it.
import { view } from './api.js'
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
  const hint = `As root, on this node:\n\n  ${command}`
  byId('why-text').textContent = hint
  byId('why').showModal()
  if (target !== 'doctor') void answer(target, hint)
}

/** How often it is asked again while another question is being answered. */
const TRIES = 10

/**
 * Shows what the agent finds, below the command that finds the same.
 * @param {string} target
 * @param {string} hint
 */
async function answer(target, hint) {
  const say = (/** @type {string} */ text) => {
    byId('why-text').textContent = text === '' ? hint : `${text.trimEnd()}\n\n${hint}`
  }
  say('Looking …')
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      const found = await view(`why?target=${encodeURIComponent(target)}`)
      if (found === undefined) return say('')
      if (!found.isBusy) return say(found.text)
      await new Promise(resolve => setTimeout(resolve, 1000))
    }
    say('The agent is busy with other questions.')
  } catch {
    say('The agent found no answer.')
  }
}
