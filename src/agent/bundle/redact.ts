/** What stands where a secret was. */
export const REMOVED = '[removed]'

/** Keys whose values are secrets, whatever stands before: `clientSecret`, `client-key-data`; not `tokenFile` or `secretName`. */
const SECRET_KEY =
  /(token|passw(or)?d|passphrase|secret|credentials?|authorization|cookie|(key|certificate|authority)-?data|(private|api|access|shared|tls)[-_.]?key|\.(key|crt|pem))$/i

/**
 * `key: value` and `"key": "value"`, also in the middle of a line; `key=value`, as in flags and environments. A text may come from a
 * hostile log: a key is looked for only where a word begins, so that the time is linear.
 */
const FIELD =
  /(?<![\w.-])(["']?)([\w.-]{1,256})\1([ \t]*:[ \t]+|[ \t]*:(?=["'])|=)("(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'|[^\s,}\]]+)/g

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
  return withoutBlocks(clean)
    .replace(FIELD, (field: string, quote: string, key: string, between: string) =>
      SECRET_KEY.test(key) ? `${quote}${key}${quote}${between}${REMOVED}` : field,
    )
    .replace(DIRECTIVE, `$1$2$3${REMOVED}`)
}

const KEY_LINE = /^[\s-]*["']?([\w.-]+)["']?\s*:(.*)$/
/** Longer lines end no key whose value stands below. */
const MAX_KEY_LINE = 300

/** Values below their key: of `password: |` and `token: >-` in YAML all lines that are further in. */
function withoutBlocks(text: string): string {
  let indent: number | undefined
  return text
    .split('\n')
    .flatMap(line => {
      const depth = line.search(/\S/)
      if (indent !== undefined && (depth < 0 || depth > indent)) return []
      indent = undefined
      const [, key = '', value = ''] = line.length > MAX_KEY_LINE ? [] : (KEY_LINE.exec(line) ?? [])
      if (!SECRET_KEY.test(key) || !/^\s*([|>][+-]?\d?|)\s*(#.*)?$/.test(value)) return [line]
      indent = depth
      return [`${line.slice(0, line.indexOf(':'))}: ${REMOVED}`]
    })
    .join('\n')
}
