import type { ClusterEvent, EventSubject } from '../events.ts'

/** The reporting controller of kube-proxy's Events, by which people look for them. */
const CONTROLLER = 'kube-proxy'

/** Limits of the API (events.k8s.io/v1 validation). */
const MAX_NOTE_LENGTH = 1024
const MAX_INSTANCE_LENGTH = 128
/** A name has at most 253 characters; the rest is for the suffix that makes it unique. */
const MAX_NAME_LENGTH = 220

/** Who reports, and what makes the name of the Event unique. */
export type EventOrigin = {
  readonly nodeName: string
  /** Milliseconds since the epoch. */
  readonly atMs: number
  /** How many this process reported before. */
  readonly count: number
}

/** The path an Event is created at. One about what has no namespace lies in `default`. */
export const eventPath = (regarding: EventSubject): string =>
  `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespaceOf(regarding))}/events`

/** An Event as the API takes it (events.k8s.io/v1). Pure. */
export function eventObject(event: ClusterEvent, { nodeName, atMs, count }: EventOrigin): object {
  const { regarding, type, reason, action, note } = event
  const { kind, name, namespace } = regarding
  const suffix = `${BigInt(atMs).toString(16)}.${count.toString(16)}`
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: {
      name: `${name.slice(0, MAX_NAME_LENGTH)}.${suffix}`,
      namespace: namespaceOf(regarding),
    },
    // A MicroTime: six digits after the point.
    eventTime: new Date(atMs).toISOString().replace('Z', '000Z'),
    reportingController: CONTROLLER,
    reportingInstance: `${CONTROLLER}-${nodeName}`.slice(0, MAX_INSTANCE_LENGTH),
    action,
    reason,
    regarding: {
      apiVersion: 'v1',
      kind,
      name,
      ...(namespace === '' ? {} : { namespace }),
      // kubectl describe node looks for Events whose uid is the Node's name (kube-proxy writes them so).
      ...(kind === 'Node' ? { uid: name } : {}),
    },
    note: note.slice(0, MAX_NOTE_LENGTH),
    type,
  }
}

const namespaceOf = ({ namespace }: EventSubject): string =>
  namespace === '' ? 'default' : namespace
