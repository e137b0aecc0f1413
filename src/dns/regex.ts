/** CoreDNS's limit for patterns in a Corefile, characters. */
const MAX_PATTERN_LENGTH = 10_000

/**
 * Reads a pattern as Go writes it (RE2). A string says why it is refused.
 *
 * CoreDNS's engine needs time in proportion to the text; JavaScript's can need exponential time for patterns that repeat what
 * already repeats. So these are refused, as are back references and look-around, which RE2 does not have. Patterns whose
 * alternatives overlap (`(a|a)*`) are not found: callers bound the text that they match.
 */
export function parseRegex(pattern: string): RegExp | string {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return `a pattern of ${pattern.length} characters is over the limit of ${MAX_PATTERN_LENGTH}`
  }
  if (/\(\?(?:[=!]|<[=!])|\\[1-9k]/.test(pattern)) {
    return `pattern '${pattern}' has look-around or a back reference; use groups and alternatives`
  }
  if (repeatsARepetition(pattern)) {
    return `pattern '${pattern}' repeats a group that holds a repetition, which can take very long; write it without, as a+ for (a+)+`
  }
  const [, flags = '', body = pattern] = /^\(\?([is]+)\)(.*)$/s.exec(pattern) ?? []
  try {
    return new RegExp(withKnownEscapes(body).replaceAll('(?P<', '(?<'), `u${flags}`)
  } catch (error) {
    return `pattern '${pattern}': ${(error as Error).message}`
  }
}

/** RE2 lets every punctuation character be escaped, as `\-`; JavaScript only those that mean something. */
const withKnownEscapes = (pattern: string): string =>
  pattern.replace(/\\([\s\S])/g, (escape, char: string) =>
    /[!"#%&',:;<=>@_`~-]/.test(char) ? `\\x${char.charCodeAt(0).toString(16)}` : escape,
  )

/** Is there a group with a repetition in it that is itself repeated without bound? */
function repeatsARepetition(pattern: string): boolean {
  /** For every open group: was there a repetition in it? */
  const open = [false]
  const bare = pattern.replace(/\\./gs, 'x').replace(/\[\^?\]?[^\]]*\]/g, 'x')
  for (const [part] of bare.matchAll(/\(\??|\)(?:[*+]|\{[0-9]+,[0-9]*\})?|[*+]|\{[0-9]+,\}/g)) {
    if (part.startsWith('(')) open.push(false)
    else if (!part.startsWith(')')) open[open.length - 1] = true
    else {
      const repeats = open.pop() ?? false
      const isRepeated = part.length > 1
      if (repeats && isRepeated) return true
      open[open.length - 1] ||= repeats || isRepeated
    }
  }
  return false
}
