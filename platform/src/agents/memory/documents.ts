import { hash } from 'node:crypto'
import { sql } from 'kysely'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import type { DocumentKind } from '../../kernel/experience/cut-into-passages.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { Database, Queries } from '../../storage/database.ts'
import { tokensOfText } from './count-tokens.ts'
import type { FoundPassage } from './document-index.ts'
import { DocumentIndexes, type FoundPassages, type Whose } from './document-indexes.ts'
import type { Meanings } from './meanings.ts'
import { PassageVectors } from './passage-vectors.ts'

/** Of one agent. */
const mostDocuments = 1000
const mostBytes = 16 * 2 ** 20
export const mostDocumentBytes = 2 ** 20

/** What passages that are read may take, in tokens, where nobody says. */
export const defaultReadTokens = 2000
/** Passages that are looked through for those that fit. */
const mostPassages = 50

export const PutDocument = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^[^\\u0000-\\u001f\\u007f]+$',
      description: 'Such as handbook/refunds.md. A document of that name is replaced.',
      format: 'plain-text',
    }),
    text: Type.String({ maxLength: mostDocumentBytes, description: 'At most 1 MiB as UTF-8.', format: 'plain-text' }),
    kind: Type.Optional(
      Type.Enum(['markdown', 'code', 'text'], {
        description: 'How it is cut into passages. Default: what the ending of its name says.',
      }),
    ),
  },
  { $id: 'PutDocument', additionalProperties: false },
)
export type PutDocument = Static<typeof PutDocument>

/** A document of an agent as people see it. */
export interface AgentDocument {
  id: string
  name: string
  kind: DocumentKind
  bytes: number
  at: Date
}

interface DocumentsOptions {
  db: Database
  now: () => Date
  /** Undefined: they are found by their words and how these are written. */
  meanings: Meanings | undefined
  /** Agents that are there without a row. */
  builtInAgents: readonly string[]
}

const columns = ['id', 'name', 'kind', 'bytes', 'at'] as const

/** What agents can look up: the one writer of the table. */
export class Documents {
  readonly #db: Database
  readonly #now: () => Date
  readonly #indexes: DocumentIndexes
  readonly #builtInAgents: readonly string[]

  constructor({ db, now, meanings, builtInAgents }: DocumentsOptions) {
    this.#builtInAgents = builtInAgents
    this.#db = db
    this.#now = now
    this.#indexes = new DocumentIndexes(db, meanings && new PassageVectors({ db, meanings }))
  }

  /** Adds it, or puts it in the place of the one of its name. The same text again changes nothing. */
  async put(whose: Whose, { name, text, kind = kindOf(name) }: PutDocument): Promise<AgentDocument> {
    const bytes = Buffer.byteLength(text)
    if (bytes > mostDocumentBytes)
      throw new WarrenError('too_large', `a document has at most ${mostDocumentBytes} bytes, not ${bytes}`)
    const key = hash('sha256', text, 'hex')
    const document = { id: newId('doc'), name, kind, bytes, at: this.#now() }
    const kept = await step('agent.put_document', document.id, () =>
      this.#db.transaction(async (tx) => {
        // Of two at once each counts the other.
        await lock(tx, whose)
        const others = await tx
          .selectFrom('agent_documents')
          .select([...columns, 'hash'])
          .where('account_id', '=', whose.accountId)
          .where('agent', '=', whose.agent)
          .execute()
        const known = others.find((other) => other.name === name)
        if (known?.hash === key && known.kind === kind) return known
        const sum = others.reduce((total, other) => total + other.bytes, bytes - (known?.bytes ?? 0))
        if (sum > mostBytes || (!known && others.length >= mostDocuments))
          throw new WarrenError(
            'limit_exceeded',
            `an agent has at most ${mostDocuments} documents of ${mostBytes / 2 ** 20} MiB together; ${whose.agent} has ${others.length} of ${sum - bytes} bytes`,
          )
        // Another text is another document: what was made of the old one goes with it.
        if (known) await tx.deleteFrom('agent_documents').where('id', '=', known.id).execute()
        const row = { ...document, text, hash: key, account_id: whose.accountId, agent: whose.agent }
        await tx.insertInto('agent_documents').values(row).execute()
        return document
      }),
    )
    void this.#indexes.prepare(whose).catch(() => {})
    return { id: kept.id, name: kept.name, kind: kept.kind, bytes: kept.bytes, at: kept.at }
  }

  /** By their names. */
  list(whose: Whose): Promise<AgentDocument[]> {
    return this.#of(whose).select(columns).orderBy('name').execute()
  }

  async get(whose: Whose, id: string): Promise<(AgentDocument & { text: string }) | undefined> {
    return await this.#of(whose)
      .select([...columns, 'text'])
      .where('id', '=', id)
      .executeTakeFirst()
  }

  async has(whose: Whose): Promise<boolean> {
    return (await this.#of(whose).select('id').limit(1).executeTakeFirst()) !== undefined
  }

  /** False when there is none. */
  async remove({ accountId, agent }: Whose, id: string): Promise<boolean> {
    const query = this.#db.kysely
      .deleteFrom('agent_documents')
      .where('account_id', '=', accountId)
      .where('agent', '=', agent)
      .where('id', '=', id)
    const { numDeletedRows } = await step('agent.remove_document', id, () => query.executeTakeFirstOrThrow())
    return numDeletedRows > 0n
  }

  /** All of an agent, with the agent. */
  async removeAll(tx: Queries, whose: Whose): Promise<void> {
    await lock(tx, whose)
    const { accountId, agent } = whose
    await tx.deleteFrom('agent_documents').where('account_id', '=', accountId).where('agent', '=', agent).execute()
  }

  /** Deletes at most `most` documents of agents that were deleted while they were put there; answers how many. */
  async forgetOrphans(before: Date, most: number): Promise<number> {
    const { numAffectedRows } = await step('agent.forget_documents', 'orphans', () =>
      sql`delete from agent_documents where id = any(array(
        select d.id from agent_documents d where d.at < ${before} and d.agent <> all(${[...this.#builtInAgents]})
          and not exists (select from agents a where a.account_id = d.account_id and a.name = d.agent) limit ${most}))`.execute(
        this.#db.kysely,
      ),
    )
    return Number(numAffectedRows ?? 0)
  }

  /** The passages that say most about it, best first, as many as take no more than `tokens` together. */
  async search(
    whose: Whose,
    question: string,
    {
      limit = mostPassages,
      tokens = defaultReadTokens,
    }: { limit?: number | undefined; tokens?: number | undefined } = {},
  ): Promise<FoundPassages> {
    const { passages, by } = await this.#indexes.search(whose, question, Math.min(limit, mostPassages))
    let room = tokens
    const fitting = passages.filter((passage) => {
      const takes = tokensOfText(shownPassage(passage))
      if (takes > room) return false
      room -= takes
      return true
    })
    return { passages: fitting, by }
  }

  close(): Promise<void> {
    return this.#indexes.close()
  }

  #of({ accountId, agent }: Whose) {
    return this.#db.kysely.selectFrom('agent_documents').where('account_id', '=', accountId).where('agent', '=', agent)
  }
}

/** A passage as a model reads it: where it is from, and what it says. */
export function shownPassage({ name, headings, firstLine, lastLine, at, text }: FoundPassage): string {
  const below = headings.length > 0 ? `, ${headings.join(' > ')}` : ''
  return `[${name}, lines ${firstLine}-${lastLine}${below}, of ${at.toISOString().slice(0, 10)}]\n${text}`
}

async function lock(tx: Queries, { accountId, agent }: Whose): Promise<void> {
  const key = JSON.stringify(['documents', { accountId, agent }])
  await sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`.execute(tx)
}

function kindOf(name: string): DocumentKind {
  const ending = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? ''
  if (['md', 'markdown', 'mdx'].includes(ending)) return 'markdown'
  const code =
    'c cc cpp cs css go h hpp html java js json jsx kt lua mjs php pl py r rb rs scala sh sql swift toml ts tsx xml yaml yml'
  return code.split(' ').includes(ending) ? 'code' : 'text'
}
