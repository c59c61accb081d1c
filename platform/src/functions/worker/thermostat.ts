import type { Instance } from '../../engine/engine.ts'

/** Freezes and thaws one instance, one after the other. Where its runtime has no way it stays as it is. */
export class Thermostat {
  readonly #instance: Instance
  readonly #can: boolean
  #frozen = false
  #turn: Promise<void> = Promise.resolve()

  constructor(instance: Instance) {
    this.#instance = instance
    this.#can = !('absent' in instance.driver.capabilities().pause)
  }

  /** Whether it must be thawed before it can answer. */
  get isCold(): boolean {
    return this.#frozen
  }

  /** Nothing in it moves any more, and it costs no processor time. */
  freeze(): Promise<void> {
    if (!this.#can || this.#frozen) return Promise.resolve()
    this.#frozen = true
    this.#turn = this.#turn.then(() => this.#instance.pause())
    return this.#turn
  }

  thaw(): Promise<void> {
    if (!this.#frozen) return this.#turn
    this.#frozen = false
    this.#turn = this.#turn.catch(() => {}).then(() => this.#instance.resume())
    return this.#turn
  }
}
