/** Buckets for each doubling: what is read is at most a fifth above what was added. */
const perDoubling = 4
const buckets = 52

/** How values spread over four orders of magnitude, in some hundred bytes. */
export class Sketch {
  readonly #least: number
  readonly #counts = new Uint16Array(buckets)
  /** The highest of all. */
  max = 0

  /** Smaller values count as `least`. */
  constructor(least: number) {
    this.#least = least
  }

  add(value: number): void {
    this.max = Math.max(this.max, value)
    const at = Math.ceil(Math.log2(Math.max(value, this.#least) / this.#least) * perDoubling)
    const bucket = Math.min(at, buckets - 1)
    // What was added last counts more when there is no room.
    if (this.#counts[bucket] === 0xffff) for (let one = 0; one < buckets; one++) this.#counts[one]! >>= 1
    this.#counts[bucket]!++
  }

  /** Not below this part of the values; never above the highest. 0 where there is none. */
  quantile(part: number): number {
    const total = this.#counts.reduce((sum, count) => sum + count, 0)
    let left = part * total
    for (let at = 0; at < buckets && total > 0; at++) {
      left -= this.#counts[at]!
      if (left <= 0) return Math.min(this.max, this.#least * 2 ** (at / perDoubling))
    }
    return this.max
  }
}
