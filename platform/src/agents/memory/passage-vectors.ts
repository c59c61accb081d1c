import { passagesVersion } from '../../kernel/experience/cut-into-passages.ts'
import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'
import type { Meanings } from './meanings.ts'

interface PassageVectorsOptions {
  db: Database
  meanings: Meanings
}

/** Vectors that a model makes: of passages once, kept in the database, and of questions. Where it cannot be had, there are none. */
export class PassageVectors {
  readonly #options: PassageVectorsOptions
  readonly #space: string

  constructor(options: PassageVectorsOptions) {
    this.#options = options
    this.#space = `${options.meanings.space}, passages ${passagesVersion}`
  }

  ofQuestion(question: string): Promise<Float32Array | undefined> {
    return this.#options.meanings.ofOne(question)
  }

  /** One for each text of the passages of a document. */
  async of(documentId: string, texts: readonly string[]): Promise<Float32Array[] | undefined> {
    const { db, meanings } = this.#options
    const known = await db.kysely
      .selectFrom('agent_document_vectors')
      .select(['dimensions', 'vectors'])
      .where('document_id', '=', documentId)
      .where('space', '=', this.#space)
      .executeTakeFirst()
    if (known && known.vectors.length === 4 * known.dimensions * texts.length) return unpacked(known)
    const made = await meanings.of(texts)
    if (!made) return undefined
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
