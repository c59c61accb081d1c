/** Of all runs that are carried on together, characters. */
const mostChars = 64 * 1024 * 1024

/** Images in base64, so that not each question reads them anew: those that were shown last, however many runs there are. */
export class RecentImages {
  readonly #known = new Map<string, string>()
  readonly #most: number
  #chars = 0

  constructor(most = mostChars) {
    this.#most = most
  }

  /** The image of a run, by `load` where it is not there. */
  async get(
    runId: string,
    hash: string,
    load: (hash: string) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const key = `${runId} ${hash}`
    const found = this.#known.get(key) ?? (await load(hash))
    if (found === undefined) return undefined
    this.#forget(key)
    this.#known.set(key, found)
    this.#chars += found.length
    for (const oldest of this.#known.keys()) {
      if (this.#chars <= this.#most) break
      this.#forget(oldest)
    }
    return found
  }

  /** A run is carried on no more. */
  forget(runId: string): void {
    for (const key of this.#known.keys()) if (key.startsWith(`${runId} `)) this.#forget(key)
  }

  #forget(key: string): void {
    this.#chars -= this.#known.get(key)?.length ?? 0
    this.#known.delete(key)
  }
}
