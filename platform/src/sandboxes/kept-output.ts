/** How much of each stream a waited execution keeps, in bytes of JSON: a control character takes six. */
const keptBytes = 8 * 1024 * 1024

/** The first part of a stream, as much as an answer holds. */
export class KeptOutput {
  full = false
  #room = keptBytes
  readonly #chunks: Buffer[] = []

  add(data: Buffer): void {
    if (this.full) return
    let end = 0
    for (; end < data.length; end++) {
      const cost = jsonBytes(data[end]!)
      if (cost > this.#room) break
      this.#room -= cost
    }
    this.full = end < data.length
    // Copied: a slice would keep the whole frame it was cut from alive.
    this.#chunks.push(this.full ? Buffer.from(data.subarray(0, end)) : data)
  }

  text(): string {
    const bytes = Buffer.concat(this.#chunks)
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: this.full })
  }
}

/** How much a byte of text takes in JSON. */
function jsonBytes(byte: number): number {
  if (byte === 0x0a || byte === 0x22 || byte === 0x5c) return 2
  return byte < 0x20 ? 6 : 1
}
