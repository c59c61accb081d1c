import { addCost, type Cost, noCost } from '../journal/entry.ts'

/** What a run and all that it spawned may use together. Each of them asks it before a call of a model. */
export class Pot {
  readonly budget: { maxTokens?: number | undefined; maxUsd?: number | undefined }
  readonly #counted = new Set<string>()
  #spent: Cost = noCost

  constructor(budget: { maxTokens?: number | undefined; maxUsd?: number | undefined }) {
    this.budget = budget
  }

  get spent(): Cost {
    return this.#spent
  }

  /** What a run had used before it shared this pot, once. */
  count(runId: string, cost: Cost): void {
    if (this.#counted.has(runId)) return
    this.#counted.add(runId)
    this.take(cost)
  }

  take(cost: Cost): void {
    this.#spent = addCost(this.#spent, cost)
  }
}
