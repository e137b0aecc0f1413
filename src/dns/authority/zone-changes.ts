/** Who wants to hear that a zone changed. */
export class ZoneChanges {
  readonly #listeners = new Set<(zone: string) => void>()

  onChange(listener: (zone: string) => void, signal: AbortSignal): void {
    this.#listeners.add(listener)
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true })
  }

  changed(zone: string): void {
    for (const listener of this.#listeners) listener(zone)
  }
}
