import { isInZone } from '../name.ts'

/** The labels of a name in presentation form, leftmost first, without the root. An escaped dot is part of its label. */
export function splitLabels(name: string): readonly string[] {
  if (name.includes('\\')) return name.match(/(?:\\.|[^.\\])+/gs) ?? []
  return name.split('.').filter(label => label !== '')
}

/** The longest of `zones` that holds `name`, or undefined. All lower case. */
export function longestZone(zones: readonly string[], name: string): string | undefined {
  let longest: string | undefined
  for (const zone of zones) {
    if (isInZone(name, zone) && zone.length > (longest?.length ?? 0)) longest = zone
  }
  return longest
}

/** `path` below `zone`: `web.default.svc` and `cluster.local.` give `web.default.svc.cluster.local.`. */
export const joinName = (path: string, zone: string): string =>
  zone === '.' ? `${path}.` : `${path}.${zone}`

/** The name with its final dot. */
export const toFqdn = (name: string): string => (name.endsWith('.') ? name : `${name}.`)

/** Can this text of a Service's externalName be a name in a message? (RFC 1035 section 2.3.4: the sizes.) */
export function isHostName(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  return name.length <= 253 && name.split('.').every(label => /^[!-[\]-~]{1,63}$/.test(label))
}
