// The agent's views; types.ts in src/agent/view says what is in them.

/**
 * @param {string} path under /api/v1/
 * @returns {Promise<any>} undefined where there is no such thing
 */
export async function view(path) {
  const answer = await fetch(`api/v1/${path}`, { cache: 'no-store' })
  if (answer.status === 404) return undefined
  if (!answer.ok) throw new Error(`${path}: status ${answer.status}`)
  return answer.json()
}
