import type { Instance } from '../engine/engine.ts'

/** Running sandboxes by id, and what is to break off at once when one of them cannot be reached any more. */
export class LiveSandboxes extends Map<string, { accountId: string; instance: Instance }> {
  readonly #cuts = new Map<string, Set<() => void>>()

  /** It is paused or ends: what was open to it breaks off. */
  override delete(id: string): boolean {
    const was = super.delete(id)
    const cuts = this.#cuts.get(id)
    this.#cuts.delete(id)
    for (const cut of cuts ?? []) cut()
    return was
  }

  /** Calls `cut` when the sandbox is paused or ends. Answers with what takes that back. */
  onLeave(id: string, cut: () => void): () => void {
    const cuts = this.#cuts.get(id) ?? new Set()
    this.#cuts.set(id, cuts.add(cut))
    return () => {
      cuts.delete(cut)
      if (cuts.size === 0 && this.#cuts.get(id) === cuts) this.#cuts.delete(id)
    }
  }
}
