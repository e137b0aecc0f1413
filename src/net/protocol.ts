/** A transport protocol as Kubernetes names it. */
export type Protocol = 'TCP' | 'UDP' | 'SCTP'

/** The numbers by which IP knows them (IPPROTO_…). */
export const protocolNumbers = { TCP: 6, UDP: 17, SCTP: 132 } as const satisfies Record<
  Protocol,
  number
>

/** Which of them has this number. */
export const protocolsByNumber: ReadonlyMap<number | undefined, Protocol> = new Map(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as Protocol]),
)

/** Is this one of the transport protocols of Kubernetes? */
export const isProtocol = (text: unknown): text is Protocol =>
  text === 'TCP' || text === 'UDP' || text === 'SCTP'

/** Is this number a port, 1–65535? */
export const isPort = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535
