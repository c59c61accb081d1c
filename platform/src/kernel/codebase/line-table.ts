/** In which line a place of a text is, for a stretch of it. */
export class LineTable {
  readonly #starts: Int32Array
  readonly #first: number
  readonly #size: number
  /** Lines from the start of the text to the end of the stretch; the last one counts when something is in it. */
  readonly count: number

  /** `firstLine` is the line that `from` is in. */
  constructor(bytes: Buffer, { from = 0, to = bytes.length, firstLine = 0 } = {}) {
    let starts = new Int32Array(1024)
    let size = 0
    for (let at = bytes.indexOf(10, from); at >= 0 && at < to; at = bytes.indexOf(10, at + 1)) {
      if (size === starts.length) {
        const larger = new Int32Array(size * 2)
        larger.set(starts)
        starts = larger
      }
      starts[size++] = at + 1
    }
    this.#starts = starts.subarray(0, size)
    this.#first = firstLine
    this.#size = to
    this.count = firstLine + size + ((starts[size - 1] ?? from) < to ? 1 : 0)
  }

  /** From 0. */
  lineAt(place: number): number {
    let [low, high] = [0, this.#starts.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#starts[middle]! <= place) low = middle + 1
      else high = middle
    }
    return this.#first + low
  }

  /** Where a line begins and ends, its end of line left out. Only of a table of the whole text. */
  bordersOf(line: number): [number, number] {
    const start = line === 0 ? 0 : (this.#starts[line - 1] ?? this.#size)
    const next = this.#starts[line]
    return [start, next === undefined ? this.#size : next - 1]
  }
}
