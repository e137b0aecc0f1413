/** A feature gate of Kubernetes 1.36 that kube-proxy, or a library in it, looks at. */
export type FeatureGate = {
  readonly stage: 'ALPHA' | 'BETA' | 'GA' | 'DEPRECATED'
  readonly isOn: boolean
  /** Must not be changed any more. */
  readonly isLocked?: true
}

const locked = { isLocked: true } as const

/** Off: externalIPs of Services are treated as if they were not there. */
export const EXTERNAL_IPS_GATE = 'AllowServiceExternalIPs'

/** Allows the fields of `logging.options`. */
export const LOGGING_ALPHA_GATE = 'LoggingAlphaOptions'
/** Pages of the metrics server. */
export const FLAGZ_GATE = 'ComponentFlagz'
export const STATUSZ_GATE = 'ComponentStatusz'

/** The gates that something here goes by, and those that set all of a stage. */
export const gatesWithEffect: readonly string[] = [
  EXTERNAL_IPS_GATE,
  LOGGING_ALPHA_GATE,
  FLAGZ_GATE,
  STATUSZ_GATE,
  'AllAlpha',
  'AllBeta',
]

/**
 * The gates that kube-proxy, its logging, its servers and its API client know (pkg/features, component-base, client-go).
 * nodeplane behaves as with the defaults; only {@link gatesWithEffect} change what it does.
 */
export const featureGates: Readonly<Record<string, FeatureGate>> = {
  AllAlpha: { stage: 'ALPHA', isOn: false },
  AllBeta: { stage: 'BETA', isOn: false },
  AllowServiceExternalIPs: { stage: 'DEPRECATED', isOn: true },
  AllowServiceLBStatusOnNonLB: { stage: 'DEPRECATED', isOn: false, ...locked },
  ClientsAllowCBOR: { stage: 'ALPHA', isOn: false },
  ClientsPreferCBOR: { stage: 'ALPHA', isOn: false },
  ComponentFlagz: { stage: 'BETA', isOn: true },
  ComponentSLIs: { stage: 'GA', isOn: true, ...locked },
  ComponentStatusz: { stage: 'BETA', isOn: true },
  ContextualLogging: { stage: 'BETA', isOn: true },
  DisableNodeKubeProxyVersion: { stage: 'DEPRECATED', isOn: true },
  InOrderInformers: { stage: 'BETA', isOn: true },
  InformerResourceVersion: { stage: 'GA', isOn: true },
  LoadBalancerIPMode: { stage: 'GA', isOn: true, ...locked },
  LoggingAlphaOptions: { stage: 'ALPHA', isOn: false },
  LoggingBetaOptions: { stage: 'BETA', isOn: true },
  MultiCIDRServiceAllocator: { stage: 'GA', isOn: true, ...locked },
  NFTablesProxyMode: { stage: 'GA', isOn: true, ...locked },
  PreferSameTrafficDistribution: { stage: 'GA', isOn: true, ...locked },
  ServiceTrafficDistribution: { stage: 'GA', isOn: true, ...locked },
  StrictIPCIDRValidation: { stage: 'ALPHA', isOn: false },
  WatchListClient: { stage: 'BETA', isOn: true },
  WinDSR: { stage: 'GA', isOn: true, ...locked },
  WinOverlay: { stage: 'GA', isOn: true, ...locked },
}

/** What is wrong with the gates that were set: names that are none, and changes of what is locked. */
export function gateProblems(
  given: Readonly<Record<string, boolean>>,
): readonly { readonly gate: string; readonly message: string }[] {
  return Object.entries(given).flatMap(([gate, value]) => {
    const known = Object.hasOwn(featureGates, gate) ? featureGates[gate] : undefined
    if (known === undefined) {
      const message = 'no feature gate of kube-proxy 1.36; docs/proxy-config.md lists them'
      return [{ gate, message }]
    }
    if (known.isLocked === undefined || known.isOn === value) return []
    return [{ gate, message: `cannot be set to ${value}: it is locked to ${known.isOn}` }]
  })
}

/** All gates as they are with these settings: AllAlpha and AllBeta first, then each by itself. */
export function effectiveGates(
  given: Readonly<Record<string, boolean>>,
): Readonly<Record<string, FeatureGate>> {
  const stages = {
    ALPHA: given['AllAlpha'],
    BETA: given['AllBeta'],
    GA: undefined,
    DEPRECATED: undefined,
  }
  return Object.fromEntries(
    Object.entries(featureGates).map(([name, gate]) => {
      const isOn = given[name] ?? (gate.isLocked ? gate.isOn : (stages[gate.stage] ?? gate.isOn))
      return [name, { ...gate, isOn }]
    }),
  )
}
