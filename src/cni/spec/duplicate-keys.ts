/** JSON's marks, strings and the rest (RFC 8259 section 2); what lies between is blank. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g

type Frame = { readonly path: string; readonly keys: Set<string> | undefined; key: string }

/**
 * The keys that some object has twice, each with the path of its object (`args.cni.sysctl`, lower case); lists are left
 * out. `JSON.parse` keeps the last of them and says nothing.
 * @param text valid JSON.
 */
export function duplicateKeys(text: string): readonly { path: string; key: string }[] {
  const found: { path: string; key: string }[] = []
  const frames: Frame[] = []
  let wantsKey = false
  for (const [token] of text.matchAll(TOKEN)) {
    const frame = frames.at(-1)
    if (token === '{' || token === '[') {
      const path = frame === undefined ? '' : [frame.path, frame.key].filter(Boolean).join('.')
      frames.push({ path, keys: token === '{' ? new Set() : undefined, key: '' })
    } else if (token === '}' || token === ']') frames.pop()
    else if (wantsKey && frame?.keys !== undefined && token !== ',') {
      const key = JSON.parse(token) as string
      if (frame.keys.has(key)) found.push({ path: frame.path, key })
      frame.keys.add(key)
      frame.key = key.toLowerCase()
    }
    wantsKey = token === '{' || (token === ',' && frame?.keys !== undefined)
  }
  return found
}
