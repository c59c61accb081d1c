import { wordsOf } from './words-of.ts'

/** The constants of BM25: how soon a word that comes again counts no more, and how much long texts are held back. */
const saturation = 1.2
const lengthMatters = 0.75
/** A search reads so many entries of its words at most, beginning with the rarest: what words that are everywhere tell is little. */
const mostRead = 40_000
/** How often a word is in a text is kept in so many bits, beside the row. */
const timesBits = 8
const mostTimes = 2 ** timesBits - 1

/** In which rows a word is, and how often. */
interface Entries {
  packed: Uint32Array
  count: number
}

/** Rows of text by their words: BM25. All of it is in memory, and grows a text at a time. */
export class LexicalIndex {
  readonly #words = new Map<string, Entries>()
  #lengths = new Uint16Array(1024)
  #scores = new Float32Array(1024)
  #rows = 0
  #live = 0
  #total = 0

  /** Rows that were added, those that are gone included. */
  get rows(): number {
    return this.#rows
  }

  get live(): number {
    return this.#live
  }

  /** Answers the number of its row. */
  add(text: string): number {
    const row = this.#rows++
    if (row === this.#lengths.length) {
      this.#lengths = grown(this.#lengths, new Uint16Array(row * 2))
      this.#scores = new Float32Array(row * 2)
    }
    const words = wordsOf(text)
    const times = new Map<string, number>()
    for (const word of words) times.set(word, (times.get(word) ?? 0) + 1)
    for (const [word, count] of times) {
      let entries = this.#words.get(word)
      if (!entries) {
        entries = { packed: new Uint32Array(2), count: 0 }
        this.#words.set(word, entries)
      }
      if (entries.count === entries.packed.length)
        entries.packed = grown(entries.packed, new Uint32Array(entries.count * 2))
      entries.packed[entries.count++] = row * (mostTimes + 1) + Math.min(mostTimes, count)
    }
    // Zero is for those that are gone.
    this.#lengths[row] = Math.min(65_535, words.length + 1)
    this.#total += this.#lengths[row]!
    this.#live++
    return row
  }

  /** It is not found any more. Its entries stay until `compact`. */
  remove(row: number): void {
    if (!this.#lengths[row]) return
    this.#total -= this.#lengths[row]!
    this.#lengths[row] = 0
    this.#live--
  }

  /** Takes away what is of rows that are gone. Answers what was the number of each of those that are left: they have new ones. */
  compact(): number[] {
    const places = new Uint32Array(this.#rows)
    const left: number[] = []
    for (let row = 0; row < this.#rows; row++) if (this.#lengths[row]! > 0) places[row] = left.push(row) - 1
    for (const [word, entries] of this.#words) {
      const { packed } = entries
      let count = 0
      for (let at = 0; at < entries.count; at++) {
        const row = packed[at]! >>> timesBits
        if (this.#lengths[row]! > 0) packed[count++] = places[row]! * (mostTimes + 1) + (packed[at]! & mostTimes)
      }
      entries.count = count
      if (count === 0) this.#words.delete(word)
      else if (count <= packed.length / 4) entries.packed = packed.slice(0, 2 * count)
    }
    const lengths = new Uint16Array(Math.max(1024, 2 * left.length))
    for (const [place, row] of left.entries()) lengths[place] = this.#lengths[row]!
    this.#lengths = lengths
    this.#scores = new Float32Array(lengths.length)
    this.#rows = left.length
    return left
  }

  /** The rows that have most of the words, best first. */
  search(text: string, most: number): { row: number; score: number }[] {
    const scores = this.#scores
    const lengths = this.#lengths
    const mean = this.#total / this.#live
    const touched: number[] = []
    let read = 0
    for (const { packed, count } of this.#rarestFirst(text)) {
      if (read > 0 && read + count > mostRead) break
      read += count
      const rarity = Math.log(1 + (this.#rows - count + 0.5) / (count + 0.5))
      for (let at = 0; at < count; at++) {
        const entry = packed[at]!
        const row = entry >>> timesBits
        const length = lengths[row]!
        if (length === 0) continue
        const times = entry & mostTimes
        const score =
          (rarity * times * (saturation + 1)) /
          (times + saturation * (1 - lengthMatters + (lengthMatters * length) / mean))
        if (scores[row] === 0) touched.push(row)
        scores[row]! += score
      }
    }
    const best: { row: number; score: number }[] = []
    for (const row of touched) {
      const score = scores[row]!
      scores[row] = 0
      if (best.length === most && score <= best[most - 1]!.score) continue
      let at = best.length
      while (at > 0 && best[at - 1]!.score < score) at--
      best.splice(at, 0, { row, score })
      if (best.length > most) best.pop()
    }
    return best
  }

  #rarestFirst(text: string): Entries[] {
    const known: Entries[] = []
    for (const word of new Set(wordsOf(text))) {
      const entries = this.#words.get(word)
      if (entries) known.push(entries)
    }
    return known.sort((a, b) => a.count - b.count)
  }
}

function grown<T extends Uint16Array | Uint32Array>(from: T, into: T): T {
  into.set(from)
  return into
}
