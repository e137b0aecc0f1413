import { usableFamilies } from '#proxy/config/families.ts'
import { type RoutesConfig, routesSettings } from '#routes/config.ts'
import { planDifferences, readFound } from '#routes/diff.ts'
import { runRoutes, wantedByRoutes } from '#routes/main.ts'
import type { Plan } from '#routes/plan.ts'
import { NodeplaneError } from '#runtime/error.ts'
import type { ProbeResult } from '../health/probe.ts'
import { RoutesProbe } from '../health/routes-probe.ts'
import type { DifferenceView } from '../view/types.ts'
import type { AgentContext, AgentPart } from './part.ts'

/** The cluster's Nodes are not known yet. */
class NoPlanError extends NodeplaneError {
  readonly code = 'ERR_NO_PLAN'
}

/** Pod-to-pod across nodes. */
export class RoutesPart implements AgentPart {
  readonly name = 'routes'
  readonly wanted = wantedByRoutes
  readonly #config: RoutesConfig
  readonly #context: AgentContext
  #plan: Plan | undefined
  #whyNot: string | undefined = 'not in the kernel yet'
  readonly #probe = new RoutesProbe()

  constructor(config: RoutesConfig, context: AgentContext) {
    this.#config = config
    this.#context = context
  }

  get mode(): string {
    return this.#config.mode
  }

  /** What is to be in the kernel; undefined before the cluster's Nodes are known. */
  get plan(): Plan | undefined {
    return this.#plan
  }

  /** In what the kernel differs from {@link plan}. */
  async differences(): Promise<readonly DifferenceView[]> {
    const plan = this.#plan
    if (plan === undefined) throw new NoPlanError('there is no plan yet')
    return planDifferences(plan, await readFound(plan, this.#config.masquerade))
  }

  whyNot(): string | undefined {
    return this.#whyNot
  }

  probe(): Promise<ProbeResult> {
    return this.#probe.look(this.#plan?.routes ?? [])
  }

  async run(signal: AbortSignal): Promise<void> {
    const { nodeName, store, log, metrics, incidents } = this.#context
    await runRoutes(
      {
        settings: routesSettings(this.#config, { nodeName, families: usableFamilies() }),
        store,
        log,
        metrics,
        onLoss: incidents.lossesOf('routes'),
        onPlan: plan => {
          this.#plan = plan
        },
        onStatus: whyNot => {
          this.#whyNot = whyNot
        },
      },
      signal,
    )
  }
}
