import { VectorIndex } from '../../kernel/vectors/vector-index.ts'
import type { Database } from '../../storage/database.ts'
import { DocumentIndex, type FoundPassage, keyOf } from './document-index.ts'
import type { PassageVectors } from './passage-vectors.ts'

/** Documents are read from the database so many at a time. */
const readAtOnce = 4
/** Of all agents whose indexes are in memory; an index takes some five times as much. */
const mostChars = 64 * 2 ** 20
const mostAgents = 256
/** So many of the nearest by their vectors are looked at for each that is wanted. */
const lookedAt = 5

export interface Whose {
  accountId: string
  agent: string
}

export interface FoundPassages {
  passages: FoundPassage[]
  /** Whether vectors of a model had a say for each document, or words and how they are written alone. */
  by: 'words' | 'vectors'
}

interface Entry {
  index: DocumentIndex
  /** Made with the first vectors, which tell how many dimensions they have. */
  vectors: VectorIndex | undefined
  /** The documents whose passages are in `vectors`. */
  withVectors: Map<string, number>
  /** One after the other. */
  refreshed: Promise<void>
  filling: Promise<void> | undefined
}

/** The indexes of agents, made when they are asked for, and of the rows as they are then. */
export class DocumentIndexes {
  readonly #db: Database
  readonly #vectors: PassageVectors | undefined
  readonly #entries = new Map<string, Entry>()

  constructor(db: Database, vectors: PassageVectors | undefined) {
    this.#db = db
    this.#vectors = vectors
  }

  /** The best `most` passages for a question. */
  async search(whose: Whose, question: string, most: number): Promise<FoundPassages> {
    const entry = await this.#upToDate(whose)
    const vector = entry.vectors && (await this.#vectors?.ofQuestion(question))
    const fits = vector && vector.length === entry.vectors?.dimensions
    const meant = fits ? entry.vectors!.search(vector, most * lookedAt) : []
    const isWhole = fits && [...entry.index.ids].every((id) => entry.withVectors.has(id))
    return { passages: entry.index.search(question, most, meant), by: isWhole ? 'vectors' : 'words' }
  }

  /** Begins to make the vectors of what is new. */
  async prepare(whose: Whose): Promise<void> {
    if (this.#vectors) await this.#upToDate(whose)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ filling }) => filling))
  }

  async #upToDate(whose: Whose): Promise<Entry> {
    const key = JSON.stringify([whose.accountId, whose.agent])
    const entry = this.#entries.get(key) ?? {
      index: new DocumentIndex(),
      vectors: undefined,
      withVectors: new Map(),
      refreshed: Promise.resolve(),
      filling: undefined,
    }
    // The one that was used last is the last.
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    entry.refreshed = entry.refreshed.catch(() => {}).then(() => this.#refresh(whose, entry))
    await entry.refreshed
    this.#makeRoom()
    if (this.#vectors && !entry.filling)
      entry.filling = this.#fill(entry, this.#vectors).finally(() => {
        entry.filling = undefined
      })
    return entry
  }

  async #refresh({ accountId, agent }: Whose, { index, vectors, withVectors }: Entry): Promise<void> {
    const mine = this.#db.kysely
      .selectFrom('agent_documents')
      .where('account_id', '=', accountId)
      .where('agent', '=', agent)
    const ids = new Set((await mine.select('id').orderBy('at').orderBy('id').execute()).map(({ id }) => id))
    for (const id of [...index.ids].filter((id) => !ids.has(id))) {
      for (let place = 0; place < (withVectors.get(id) ?? 0); place++) vectors?.remove(keyOf(id, place))
      withVectors.delete(id)
      await index.remove(id)
    }
    const missing = [...ids].filter((id) => !index.has(id))
    while (missing.length > 0) {
      const some = missing.splice(0, readAtOnce)
      const rows = await mine.select(['id', 'name', 'kind', 'text', 'at']).where('id', 'in', some).execute()
      for (const row of rows.sort((a, b) => some.indexOf(a.id) - some.indexOf(b.id))) await index.add(row)
    }
  }

  async #fill(entry: Entry, made: PassageVectors): Promise<void> {
    for (const id of [...entry.index.ids].filter((id) => !entry.withVectors.has(id))) {
      const texts = entry.index.textsOf(id)
      const vectors = texts.length > 0 ? await made.of(id, texts).catch(() => undefined) : []
      if (!vectors) return
      if (!entry.index.has(id)) continue
      if (vectors[0]) entry.vectors ??= new VectorIndex(vectors[0].length)
      // Of another model, kept under the same name: they cannot be compared.
      if (vectors.some(({ length }) => length !== entry.vectors!.dimensions)) return
      for (const [place, vector] of vectors.entries()) entry.vectors!.add(keyOf(id, place), vector)
      entry.withVectors.set(id, vectors.length)
    }
  }

  #makeRoom(): void {
    let chars = 0
    for (const { index } of this.#entries.values()) chars += index.chars
    for (const [key, { index }] of this.#entries) {
      if (this.#entries.size === 1 || (chars <= mostChars && this.#entries.size <= mostAgents)) return
      chars -= index.chars
      this.#entries.delete(key)
    }
  }
}
