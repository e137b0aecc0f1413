/** A blank, then a string, another scalar, or a mark (RFC 8259). */
const TOKEN =
  /[ \t\n\r]*(?:("(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])|([{}[\],:]))/uy

/** What may come next, in words for people. */
const wanted = {
  value: 'a value',
  firstItem: 'a value or ]',
  firstKey: 'a key in double quotes or }',
  key: 'a key in double quotes (no comma before })',
  colon: '":"',
  afterItem: '"," or ]',
  afterMember: '"," or }',
  end: 'the end of the file',
} as const
type State = keyof typeof wanted

/** Where a text stops being JSON, and what should stand there; undefined: it is JSON. `JSON.parse` tells no place for most faults. */
export function findJsonFault(
  text: string,
): { readonly offset: number; readonly wanted: string } | undefined {
  const open: ('{' | '[')[] = []
  let state: State = 'value'
  let offset = 0
  while (state !== 'end' || /[^ \t\n\r]/.test(text.slice(offset))) {
    TOKEN.lastIndex = offset
    const [whole = '', string, scalar, mark] = TOKEN.exec(text) ?? []
    const next: State | undefined =
      whole === '' ? undefined : step(state, string ?? scalar ?? mark ?? '', open)
    if (next === undefined) {
      const blanks = /^[ \t\n\r]*/.exec(text.slice(offset))?.[0].length ?? 0
      return { offset: offset + blanks, wanted: wanted[state] }
    }
    state = next
    offset += whole.length
  }
  return undefined
}

/** The state after a token; undefined when it must not stand there. `open` is what is open, and is kept. */
function step(state: State, token: string, open: ('{' | '[')[]): State | undefined {
  switch (state) {
    case 'value':
    case 'firstItem':
      if (token === ']' && state === 'firstItem') return close(open)
      return value(token, open)
    case 'firstKey':
      if (token === '}') return close(open)
      return token.startsWith('"') ? 'colon' : undefined
    case 'key':
      return token.startsWith('"') ? 'colon' : undefined
    case 'colon':
      return token === ':' ? 'value' : undefined
    case 'afterItem':
      if (token === ']') return close(open)
      return token === ',' ? 'value' : undefined
    case 'afterMember':
      if (token === '}') return close(open)
      return token === ',' ? 'key' : undefined
    case 'end':
      return undefined
  }
}

function value(token: string, open: ('{' | '[')[]): State | undefined {
  if (token === '{' || token === '[') {
    open.push(token)
    return token === '{' ? 'firstKey' : 'firstItem'
  }
  return /^[}\],:]$/.test(token) ? undefined : after(open)
}

function close(open: ('{' | '[')[]): State {
  open.pop()
  return after(open)
}

function after(open: readonly ('{' | '[')[]): State {
  const inside = open.at(-1)
  if (inside === undefined) return 'end'
  return inside === '{' ? 'afterMember' : 'afterItem'
}
