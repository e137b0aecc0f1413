import type { ConfigProblem } from '#runtime/error.ts'
import type { Directive } from '../corefile/directive.ts'
import type { PlannedBlock, PlannedListener } from './plan.ts'

type Listeners = ReadonlyMap<string, PlannedListener>

/** Why a zone may not be served by a second block. */
export function alreadyDefined(
  zone: string,
  port: number,
  other: PlannedBlock | undefined,
): string {
  const where =
    other === undefined ? '' : ` in ${other.block.position.file}:${other.block.position.line}`
  return `${zone}:${port} is already defined${where}; a zone and port may stand in one block only, or in several with different views`
}

/** The kernel gives a port to every address or to single ones, not to both. */
export function mixedBinds(blocks: readonly PlannedBlock[]): readonly ConfigProblem[] {
  const unbound = new Map<number, PlannedBlock>()
  for (const planned of blocks.filter(({ bind }) => bind.length === 0)) {
    for (const { port } of planned.keys) unbound.set(port, planned)
  }
  return blocks
    .filter(({ bind }) => bind.length > 0)
    .flatMap(({ block, keys }) => {
      const port = keys.find(key => unbound.has(key.port))?.port
      if (port === undefined) return []
      const message = `this block is bound to an address, the block in ${placeOf(unbound.get(port))} listens on every address of port ${port}; bind both or none`
      return [{ ...block.position, message }]
    })
}

/** An address and port speak one protocol. */
export function sharedPorts(
  blocks: readonly PlannedBlock[],
  listeners: Listeners,
): readonly ConfigProblem[] {
  const schemes = new Map<string, PlannedListener>()
  return [...listeners.values()].flatMap(listener => {
    const { scheme, address, port } = listener
    const place = `${address ?? ''} ${port}`
    const other = schemes.get(place)
    if (other === undefined) {
      schemes.set(place, listener)
      return []
    }
    const message = `${scheme}:// and ${other.scheme}:// (${placeOf(blocksOf(blocks, other)[0])}) cannot share port ${port}; give one of them another`
    return positionOf(blocksOf(blocks, listener)[0], message)
  })
}

/**
 * What is served encrypted needs one certificate for each address and port. CoreDNS serves `tls://` and `https://` in the clear
 * without one, which nobody who wrote these schemes wants; `grpc://` without one is HTTP/2 in the clear here, too.
 */
export function certificateProblems(
  blocks: readonly PlannedBlock[],
  listeners: Listeners,
): readonly ConfigProblem[] {
  return [...listeners]
    .filter(([, { scheme }]) => scheme !== 'dns')
    .flatMap(([key, listener]) => {
      const [first, ...more] = blocksOf(blocks, listener)
      const named = [first, ...more].flatMap(planned => {
        const directive = planned?.block.directives.find(({ name }) => name === 'tls')
        return directive === undefined ? [] : [directive]
      })
      const [one] = named
      if (one === undefined) {
        if (listener.scheme === 'grpc') return []
        return positionOf(first, `${key} needs a certificate; add \`tls CERT KEY\` to the block`)
      }
      return named
        .filter(directive => textOf(directive) !== textOf(one))
        .map(({ position }) => ({
          ...position,
          field: 'tls',
          message: `${key} has another certificate in ${one.position.file}:${one.position.line}; an address and port have one`,
        }))
    })
}

function blocksOf(
  blocks: readonly PlannedBlock[],
  { zones }: PlannedListener,
): readonly PlannedBlock[] {
  const numbers = new Set([...zones.values()].flat())
  return blocks.filter((_, number) => numbers.has(number))
}

const placeOf = (planned: PlannedBlock | undefined): string => {
  const { file, line } = planned?.block.position ?? { file: 'Corefile', line: 1 }
  return `${file}:${line}`
}

const positionOf = (planned: PlannedBlock | undefined, message: string): ConfigProblem[] =>
  planned === undefined ? [] : [{ ...planned.block.position, message }]

/** What a directive says, to see whether another says the same. */
const textOf = ({ args, block = [] }: Directive): string =>
  JSON.stringify([args, block.map(line => [line.name, ...line.args])])
