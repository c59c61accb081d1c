import { type Found, VectorIndex } from '../vectors/vector-index.ts'
import type { Embedding } from './embed-text.ts'
import { LexicalIndex } from './lexical-index.ts'

/** So many of each kind are looked at, for each that is wanted, and at least. */
const lookedAt = 5
const leastLookedAt = 50
/** How much a place counts: 1 / (this + place), as usual where two orders are made one. */
const placeOffset = 60
/** What vectors find counts less than what words find, which is right more often (bench, `agents`). */
const weightOfVectors = 0.3
/** An index with more rows that are gone than rows that are there is built anew, from this size on. */
const leastRebuilt = 1024

export interface Nearby extends Found {
  /** Whether words of the question are in it, and not only their like. */
  hasWords: boolean
}

/**
 * Texts by their ids, found by what they say: by their words, and by vectors where those are written otherwise. The whole of it is
 * a cache in memory.
 */
export class TextIndex {
  readonly #embedding: Embedding
  readonly #vectors: VectorIndex
  readonly #rows = new Map<string, number>()
  readonly #texts = new Map<string, string>()
  #ids: string[] = []
  #words = new LexicalIndex()

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
    this.#texts.set(id, text)
    this.#index(id, text)
    this.#tidy()
  }

  /** False when there is no such id. */
  remove(id: string): boolean {
    const row = this.#rows.get(id)
    if (row === undefined) return false
    this.#words.remove(row)
    this.#vectors.remove(id)
    this.#rows.delete(id)
    this.#texts.delete(id)
    this.#tidy()
    return true
  }

  /**
   * The `most` that answer the text best, best first; the score is the likeness of their vectors. `accepts` leaves out what is not
   * to be found by whoever asks.
   */
  search(text: string, most: number, accepts: (id: string) => boolean = () => true): Nearby[] {
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
    place = 0
    for (const { id, score } of near) {
      const rank = weightOfVectors / (placeOffset + place++)
      const known = found.get(id)
      if (known) known.rank += rank
      else found.set(id, { id, score, hasWords: false, rank })
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

  #index(id: string, text: string): void {
    const row = this.#words.add(text)
    this.#ids[row] = id
    this.#rows.set(id, row)
  }

  #tidy(): void {
    if (this.#words.rows < leastRebuilt || this.#words.rows < 2 * this.#words.live) return
    this.#words = new LexicalIndex()
    this.#ids = []
    for (const [id, text] of this.#texts) this.#index(id, text)
  }
}
