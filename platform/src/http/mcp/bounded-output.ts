/** How many bytes of each stream an answer holds when the caller does not say. */
export const usualOutputBytes = 32 * 1024

/** The beginning and the end of a stream, half of `limitBytes` each, whatever its length: what a reader with little room needs. */
export class BoundedOutput {
  readonly #half: number
  #bytes = 0
  readonly #head: Buffer[] = []
  #headBytes = 0
  #tail: Buffer[] = []
  #tailBytes = 0

  constructor(limitBytes = usualOutputBytes) {
    this.#half = Math.max(1, Math.floor(limitBytes / 2))
  }

  add(data: Buffer): void {
    this.#bytes += data.length
    const taken = Math.min(data.length, this.#half - this.#headBytes)
    // Copied: a slice would keep the whole frame it was cut from alive.
    if (taken > 0) this.#head.push(Buffer.from(data.subarray(0, taken)))
    this.#headBytes += taken
    const rest = data.subarray(taken)
    if (rest.length === 0) return
    const last = Buffer.from(rest.subarray(-this.#half))
    this.#tail.push(last)
    this.#tailBytes += last.length
    // Many small pieces are made one, so that a program that writes byte by byte costs no more than one that does not.
    if (this.#tailBytes < 2 * this.#half && this.#tail.length < 1024) return
    this.#tail = [Buffer.concat(this.#tail).subarray(-this.#half)]
    this.#tailBytes = this.#tail[0]!.length
  }

  /** As text; where something is missing it says so in the middle. */
  end(): { text: string; bytes: number; omittedBytes: number } {
    const tail = Buffer.concat(this.#tail).subarray(-this.#half)
    const omittedBytes = this.#bytes - this.#headBytes - tail.length
    const head = Buffer.concat(this.#head)
    if (omittedBytes === 0) return { text: textOf(Buffer.concat([head, tail])), bytes: this.#bytes, omittedBytes }
    const cut = `\n… ${omittedBytes} bytes are left out here …\n`
    return { text: wholeEnd(head) + cut + textOf(wholeStart(tail)), bytes: this.#bytes, omittedBytes }
  }
}

function textOf(bytes: Buffer): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/** Without the first bytes of a character that was cut in two. */
function wholeEnd(bytes: Buffer): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true })
}

/** Without the last bytes of one. */
function wholeStart(bytes: Buffer): Buffer {
  let start = 0
  while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++
  return bytes.subarray(start)
}
