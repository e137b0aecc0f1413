import type { NetworkInterfaceInfo } from 'node:os'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { ConfigError } from '#runtime/error.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** `bind`: the addresses that a block listens on. The server reads it before it plans its listeners; nothing is left to set up. */
export const bind: PluginDefinition = {
  name: 'bind',
  repeatable: true,
  setup: () => ({ name: 'bind' }),
}

/** The machine's interfaces, as node:os gives them. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/**
 * The addresses that the `bind` lines among `directives` name: addresses as they are, interfaces as all their addresses but
 * link-local ones, without those that `except` names. Empty when there is no such line.
 * @throws {ConfigError} neither an address nor an interface, or nothing is left.
 */
export function bindAddresses(
  directives: readonly Directive[],
  interfaces: Interfaces,
): readonly IpAddress[] {
  const found = new Set<IpAddress>()
  for (const directive of directives.filter(({ name }) => name === 'bind')) {
    if (directive.args.length === 0)
      throw directiveError(directive, 'needs an address or an interface')
    const excepted = new Set(
      exceptions(directive).flatMap(word => resolve(word, directive, interfaces)),
    )
    for (const word of directive.args) {
      for (const address of resolve(word, directive, interfaces)) {
        if (!excepted.has(address)) found.add(address)
      }
    }
    if (found.size === 0) throw directiveError(directive, 'no address is left to listen on')
  }
  return [...found]
}

function exceptions({ block = [] }: Directive): readonly string[] {
  return block.flatMap(line => {
    if (line.name === 'except') return line.args
    throw new ConfigError([
      {
        ...line.position,
        field: 'bind',
        message: `unknown option '${line.name}', there is: except`,
      },
    ])
  })
}

function resolve(word: string, directive: Directive, interfaces: Interfaces): readonly IpAddress[] {
  const address = parseIp(word)
  if (address !== undefined) return [address]
  const addresses = Object.hasOwn(interfaces, word) ? interfaces[word] : undefined
  if (addresses === undefined) {
    throw directiveError(
      directive,
      `'${word}' is neither an IP address nor an interface of this machine`,
    )
  }
  return addresses
    .map(info => parseIp(info.address))
    .filter(ip => ip !== undefined)
    .filter(ip => !ip.startsWith('fe80:'))
}
