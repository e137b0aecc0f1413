/** What stands where a secret was. */
export const REMOVED = '(removed)'

/** Keys whose values are secrets, whatever stands before: `clientSecret`, `client-key-data`; not `tokenFile` or `secretName`. */
const SECRET_KEY =
  /(token|passw(or)?d|passphrase|secret|credentials?|authorization|cookie|(key|certificate|authority)-?data|(private|api|access|shared|tls)[-_.]?key|\.(key|crt|pem))$/i

/**
 * `key: value` and `"key": "value"` in the middle of a line. A text may come from a hostile log: a key is looked for only where a
 * word begins, so that the time is linear.
 */
const FIELD =
  /(?<![\w.-])(["']?)([\w.-]{1,256})\1([ \t]*:[ \t]+|[ \t]*:(?=["']))("(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'|[^\s,}\]]+)/g

/** `key=value`, as in flags and environments. */
const ASSIGNMENT = /(?<![\w.-])()([\w.-]{1,256})(=)("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\S+)/g

/** Directives of a Corefile (tsig, etcd …), and of netrc-like files: `secret NAME KEY`. */
const DIRECTIVE = /^([ \t]*)(secrets?|credentials?|password|token)([ \t]+)[^\s:=].*$/gim

const anywhere: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [^-]+-----[\s\S]*?(-----END [^-]+-----|$(?![\s\S]))/g, REMOVED],
  // A JSON Web Token (RFC 7519): its first part is `{"` in base64.
  [/\beyJ[\w-]{8,}(\.[\w-]+){0,2}/g, REMOVED],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/g, `$1 ${REMOVED}`],
  [/(\/\/)[^\s/@:]+:[^\s/@]+@/g, `$1${REMOVED}@`],
]

/**
 * A text without secrets: values of keys that name one, PEM blocks, tokens, passwords in URLs. Rather too much goes than too
 * little. Lines, not structures, are looked at, so that a file that is broken is cleaned too. Pure.
 */
export function redact(text: string): string {
  let clean = text
  for (const [pattern, replacement] of anywhere) clean = clean.replace(pattern, replacement)
  return withoutLines(clean)
    .replace(FIELD, withoutValue)
    .replace(ASSIGNMENT, withoutValue)
    .replace(DIRECTIVE, `$1$2$3${REMOVED}`)
}

const withoutValue = (field: string, quote: string, key: string, between: string): string =>
  SECRET_KEY.test(key) ? `${quote}${key}${quote}${between}${REMOVED}` : field

/** A line that begins with a key, as an item of a list or not. */
const KEY_LINE = /^([ \t]*(?:-[ \t]+)?["']?([\w.][\w.-]{0,255})["']?[ \t]*:)(?:\s|["']|$)/

/** A value may hold blanks and commas, and go on below its key (`password: |`): the rest of the line goes, and what is further in. */
function withoutLines(text: string): string {
  let indent: number | undefined
  return text
    .split('\n')
    .flatMap(line => {
      const depth = line.search(/\S/)
      if (indent !== undefined && (depth < 0 || depth > indent)) return []
      indent = undefined
      const [, head = '', key = ''] = KEY_LINE.exec(line) ?? []
      if (!SECRET_KEY.test(key)) return [line]
      indent = depth
      return [`${head} ${REMOVED}`]
    })
    .join('\n')
}
