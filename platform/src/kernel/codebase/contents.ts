/** Contents of files that were read of late, up to a number of bytes. Threads share them, so none is copied to be looked at. */
export class Contents {
  readonly #most: number
  readonly #kept = new Map<string, Buffer>()
  #bytes = 0

  constructor(mostBytes: number) {
    this.#most = mostBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get(name: string): Buffer | undefined {
    const found = this.#kept.get(name)
    if (!found) return undefined
    this.#kept.delete(name)
    this.#kept.set(name, found)
    return found
  }

  /** Answers with what is kept in its place, which threads can share. */
  put(name: string, bytes: Buffer): Buffer {
    this.remove(name)
    const shared = Buffer.from(new SharedArrayBuffer(bytes.length))
    bytes.copy(shared)
    this.#kept.set(name, shared)
    this.#bytes += shared.length
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#most || oldest === name) break
      this.remove(oldest)
    }
    return shared
  }

  remove(name: string): void {
    const found = this.#kept.get(name)
    if (!found) return
    this.#kept.delete(name)
    this.#bytes -= found.length
  }
}
