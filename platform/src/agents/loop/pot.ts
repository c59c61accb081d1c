import { addCost, type Cost, noCost } from '../journal/entry.ts'

/** What a run and all that it spawned may use together. Each of them asks it before a call of a model. */
export class Pot {
  readonly budget: { maxTokens?: number | undefined; maxUsd?: number | undefined }
  readonly #counted = new Set<string>()
  readonly #asked = new Set<Cost>()
  #spent: Cost = noCost

  constructor(budget: { maxTokens?: number | undefined; maxUsd?: number | undefined }) {
    this.budget = budget
  }

  /** With what the questions that are being answered use at least. */
  get spent(): Cost {
    return this.#asked.size === 0 ? this.#spent : [...this.#asked].reduce(addCost, this.#spent)
  }

  /** What a run had used before it shared this pot, once. */
  count(runId: string, cost: Cost): void {
    if (this.#counted.has(runId)) return
    this.#counted.add(runId)
    this.take(cost)
  }

  /** `reserved`: what was, for just that. */
  take(cost: Cost, reserved?: Cost): void {
    this.#spent = addCost(this.#spent, cost)
    if (reserved) this.giveBack(reserved)
  }

  /** For a question that is asked now: what is asked elsewhere meanwhile cannot have it too. Answers with what is to be taken or given back. */
  reserve(cost: Cost): Cost {
    // A thing of its own: of two that are alike each counts.
    const reserved = { ...cost }
    this.#asked.add(reserved)
    return reserved
  }

  giveBack(reserved: Cost): void {
    this.#asked.delete(reserved)
  }
}
