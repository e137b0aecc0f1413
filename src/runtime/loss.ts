/** Something of ours that somebody took away: what, and by whom where the kernel says. */
export type Loss = {
  /** One line: `2 routes`, `rules of the hostPorts of 3 pods`. */
  readonly what: string
  readonly by?: string | undefined
}

/** Told when a loss is noticed; what it returns is called once when all is there again. */
export type LossSink = (loss: Loss) => () => void
