import { passagesVersion } from '../../kernel/experience/cut-into-passages.ts'
import { step } from '../../lib/step.ts'
import type { Embedder } from '../../models/embedder.ts'
import type { Database } from '../../storage/database.ts'
import type { Logger } from '../../telemetry/logger.ts'

/** A question waits so long for its vector; then it is answered without. */
const questionMs = 3000
/** After a failure nobody is asked for so long. */
const pauseMs = 30_000

interface PassageVectorsOptions {
  db: Database
  embedder: Embedder
  now: () => Date
  logger: Logger
}

/** Vectors that a model makes: of passages once, kept in the database, and of questions. Where it cannot be had, there are none. */
export class PassageVectors {
  readonly #options: PassageVectorsOptions
  readonly #space: string
  readonly #close = new AbortController()
  #pausedUntil = 0

  constructor(options: PassageVectorsOptions) {
    this.#options = options
    this.#space = `${options.embedder.space}, passages ${passagesVersion}`
  }

  ofQuestion(question: string): Promise<Float32Array | undefined> {
    return this.#tried(async () => {
      const signal = AbortSignal.any([this.#close.signal, AbortSignal.timeout(questionMs)])
      return (await this.#options.embedder.embed([question], signal))[0]
    })
  }

  /** One for each text of the passages of a document. */
  async of(documentId: string, texts: readonly string[]): Promise<Float32Array[] | undefined> {
    const { db, embedder } = this.#options
    const known = await db.kysely
      .selectFrom('agent_document_vectors')
      .select(['dimensions', 'vectors'])
      .where('document_id', '=', documentId)
      .where('space', '=', this.#space)
      .executeTakeFirst()
    if (known && known.vectors.length === 4 * known.dimensions * texts.length) return unpacked(known)
    return this.#tried(async () => {
      const made = await embedder.embed(texts, this.#close.signal)
      const values = { dimensions: made[0]?.length ?? 0, vectors: packed(made) }
      // Of a document that was deleted meanwhile none are kept.
      const query = db.kysely
        .insertInto('agent_document_vectors')
        .columns(['document_id', 'space', 'dimensions', 'vectors'])
        .expression((from) =>
          from
            .selectFrom('agent_documents')
            .select(({ val }) => [
              'id',
              val(this.#space).as('space'),
              val(values.dimensions).as('d'),
              val(values.vectors).as('v'),
            ])
            .where('id', '=', documentId)
            .forKeyShare(),
        )
        .onConflict((conflict) => conflict.columns(['document_id', 'space']).doUpdateSet(values))
      await step('agent.document_vectors', documentId, () => query.execute())
      return made
    })
  }

  close(): void {
    this.#close.abort()
  }

  async #tried<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { now, logger } = this.#options
    if (now().getTime() < this.#pausedUntil || this.#close.signal.aborted) return undefined
    try {
      return await work()
    } catch (error) {
      if (this.#close.signal.aborted) return undefined
      this.#pausedUntil = now().getTime() + pauseMs
      logger.warn({ err: error }, 'documents are found by their words alone for a while: the model for vectors failed')
      return undefined
    }
  }
}

function packed(vectors: readonly Float32Array[]): Buffer {
  return Buffer.concat(vectors.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)))
}

function unpacked({ dimensions, vectors }: { dimensions: number; vectors: Buffer }): Float32Array[] {
  const values = new Float32Array(Uint8Array.from(vectors).buffer)
  return Array.from({ length: values.length / dimensions }, (_, at) =>
    values.subarray(at * dimensions, (at + 1) * dimensions),
  )
}
