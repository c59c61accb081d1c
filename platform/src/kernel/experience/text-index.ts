import { type Found, VectorIndex } from '../vectors/vector-index.ts'
import type { Embedding } from './embed-text.ts'
import { LexicalIndex } from './lexical-index.ts'

/** So many of each kind are looked at, for each that is wanted, and at least. */
const lookedAt = 5
const leastLookedAt = 50
/** How much a place counts: 1 / (this + place), as usual where two orders are made one. */
const placeOffset = 60
/** What vectors find counts less than what words find, which is right more often (docs/decisions/0008). */
const weightOfVectors = 0.1
/** An index with more rows that are gone than rows that are there gives those up, from this size on. */
const leastCompacted = 1024

export interface Nearby extends Found {
  /** Whether words of the question are in it, and not only their like. */
  hasWords: boolean
}

interface SearchOptions {
  accepts?: (id: string) => boolean
  meant?: readonly Found[]
}

/**
 * Texts by their ids, found by what they say: by their words, and by vectors where those are written otherwise. The whole of it is
 * a cache in memory.
 */
export class TextIndex {
  readonly #embedding: Embedding
  readonly #vectors: VectorIndex
  readonly #rows = new Map<string, number>()
  #ids: string[] = []
  readonly #words = new LexicalIndex()

  constructor(embedding: Embedding) {
    this.#embedding = embedding
    this.#vectors = new VectorIndex(embedding.dimensions)
  }

  get size(): number {
    return this.#rows.size
  }

  has(id: string): boolean {
    return this.#rows.has(id)
  }

  /** Adds a text, or puts another one in the place of an id. `vector`: of the same space, where it is known. */
  add(id: string, text: string, vector?: ArrayLike<number>): void {
    this.#vectors.add(id, vector ?? this.#embedding.embed(text))
    const known = this.#rows.get(id)
    if (known !== undefined) this.#words.remove(known)
    const row = this.#words.add(text)
    this.#ids[row] = id
    this.#rows.set(id, row)
    this.#tidy()
  }

  /** False when there is no such id. */
  remove(id: string): boolean {
    const row = this.#rows.get(id)
    if (row === undefined) return false
    this.#words.remove(row)
    this.#vectors.remove(id)
    this.#rows.delete(id)
    this.#tidy()
    return true
  }

  /**
   * The `most` that answer the text best, best first; the score is the likeness of their vectors. `accepts` leaves out what is not
   * to be found by whoever asks. `meant` is what an embedding that knows what words mean has found, best first: it counts as much as
   * words do, and instead of how they are written.
   */
  search(text: string, most: number, { accepts = () => true, meant = [] }: SearchOptions = {}): Nearby[] {
    if (this.size === 0) return []
    const wide = Math.max(leastLookedAt, most * lookedAt)
    const found = new Map<string, Nearby & { rank: number }>()
    const near = this.#vectors.search(this.#embedding.embed(text), wide)
    const likeness = new Map(near.map(({ id, score }) => [id, score]))
    let place = 0
    for (const { row } of this.#words.search(text, wide)) {
      const id = this.#ids[row]!
      found.set(id, { id, score: likeness.get(id) ?? 0, hasWords: true, rank: 1 / (placeOffset + place++) })
    }
    const [others, weight] = meant.length > 0 ? [meant, 1] : [near, weightOfVectors]
    for (const [place, { id, score }] of others.entries()) {
      const rank = weight / (placeOffset + place)
      const known = found.get(id)
      if (known) known.rank += rank
      else if (this.has(id)) found.set(id, { id, score, hasWords: false, rank })
    }
    return [...found.values()]
      .filter(({ id }) => accepts(id))
      .sort((a, b) => b.rank - a.rank)
      .slice(0, most)
      .map(({ rank: _, ...nearby }) => nearby)
  }

  /** The `most` nearest to a vector, best first. */
  near(vector: ArrayLike<number>, most: number): Found[] {
    return this.#vectors.search(vector, most)
  }

  #tidy(): void {
    if (this.#words.rows < leastCompacted || this.#words.rows < 2 * this.#words.live) return
    this.#ids = this.#words.compact().map((row) => this.#ids[row]!)
    for (const [row, id] of this.#ids.entries()) this.#rows.set(id, row)
  }
}
