/** Something worth telling the cluster's people, as an Event of the API (events.k8s.io/v1). */
export type ClusterEvent = {
  readonly regarding: EventSubject
  readonly type: 'Normal' | 'Warning'
  /** Why, in one CamelCase word: `Starting`. */
  readonly reason: string
  /** What was done or tried, in one CamelCase word: `StartKubeProxy`. */
  readonly action: string
  /** For people. */
  readonly note: string
}

export type EventSubject = {
  readonly kind: 'Node' | 'Service'
  readonly name: string
  /** Empty for a Node. */
  readonly namespace: string
}

/** Takes events; never waits and never fails. */
export type EventSink = (event: ClusterEvent) => void
