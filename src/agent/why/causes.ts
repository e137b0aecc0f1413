import type { Cause } from './cause.ts'
import { addressRangeLeaked } from './causes/address-range-leaked.ts'
import { apiServerStale } from './causes/api-server-stale.ts'
import { dnsSilent } from './causes/dns-silent.ts'
import { hairpinOff } from './causes/hairpin-off.ts'
import { headlessNoneReady } from './causes/headless-none-ready.ts'
import { hostNetworkClusterFirst } from './causes/host-network-cluster-first.ts'
import { localPolicyNoLocalPod } from './causes/local-policy-no-local-pod.ts'
import { mtuWrong } from './causes/mtu-wrong.ts'
import { nameInOtherNamespace } from './causes/name-in-other-namespace.ts'
import { nameNotFound } from './causes/name-not-found.ts'
import { ndotsSearchMiss } from './causes/ndots-search-miss.ts'
import { noEndpoints } from './causes/no-endpoints.ts'
import { noSuchPort } from './causes/no-such-port.ts'
import { noSuchService } from './causes/no-such-service.ts'
import { nodePortAddressNotSelected } from './causes/node-port-address-not-selected.ts'
import { noneReady } from './causes/none-ready.ts'
import { podNotListening } from './causes/pod-not-listening.ts'
import { portNameMismatch } from './causes/port-name-mismatch.ts'
import { routeMissing } from './causes/route-missing.ts'
import { ruleMissing } from './causes/rule-missing.ts'
import { sourceRangeRefuses } from './causes/source-range-refuses.ts'
import { staleConntrack } from './causes/stale-conntrack.ts'
import { upstreamResolverDown } from './causes/upstream-resolver-down.ts'
import { wrongTargetPort } from './causes/wrong-target-port.ts'
import type { Facts } from './facts.ts'
import { type Finding, steps } from './finding.ts'

/** Of two at one step the first here is the reason of the second. */
const causes: readonly Cause[] = [
  apiServerStale,
  addressRangeLeaked,
  hostNetworkClusterFirst,
  dnsSilent,
  headlessNoneReady,
  nameInOtherNamespace,
  upstreamResolverDown,
  ndotsSearchMiss,
  nameNotFound,
  noSuchService,
  noSuchPort,
  nodePortAddressNotSelected,
  sourceRangeRefuses,
  ruleMissing,
  staleConntrack,
  noEndpoints,
  portNameMismatch,
  noneReady,
  localPolicyNoLocalPod,
  routeMissing,
  mtuWrong,
  hairpinOff,
  wrongTargetPort,
  podNotListening,
]

/** All that is wrong, what is nearest to the client first. Pure. */
export const findCauses = (facts: Facts): readonly Finding[] =>
  causes
    .map(cause => cause(facts))
    .filter(finding => finding !== undefined)
    // Sorting is stable, so the order above decides within a step.
    .sort((a, b) => steps.indexOf(a.step) - steps.indexOf(b.step))
