import { hash } from 'node:crypto'
import { sql } from 'kysely'
import { step } from '../../lib/step.ts'
import type { Database, Queries } from '../../storage/database.ts'
import type { NewImage } from '../images/image.ts'
import type { Entry } from './entry.ts'
import type { Recorded } from './recorded.ts'
import { type Journal, Superseded } from './recorder.ts'

/** Entries longer than this, as JSON, have their payload beside them. */
export const longestInline = 16_384
/** So many entries at most in one statement. */
const mostAtOnce = 500

interface Waiting {
  runId: string
  fence: number
  entries: readonly Recorded[]
  done: () => void
  failed: (error: unknown) => void
}

export interface Row {
  run_id: string
  fence: number
  seq: number
  at: string
  type: string
  /** As JSON. */
  data: string
}

interface Found {
  seq: number
  at: Date
  type: string
  data: unknown
}

/** Of entries that are a parameter of a statement. */
export const entryColumns = 'run_id text, fence bigint, seq int, at timestamptz, type text, data json'

/** Writes the entries of a run only while its fence is the newest. */
const insertion = `insert into agent_entries (run_id, seq, at, type, data)
  select g.run_id, g.seq, g.at, g.type, g.data
  from json_to_recordset($1::json) as g(${entryColumns})
  join agent_runs r on r.id = g.run_id and r.fence = g.fence
  returning run_id`

/** The journals of all runs. Whatever is to be written at the same time goes to the disk in one statement: a group commit. */
export class JournalStore {
  readonly #db: Database
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(db: Database) {
    this.#db = db
  }

  /** The journal of one run, for the holder of `fence`. */
  of(runId: string, fence: number): Journal {
    return {
      append: (entries) => this.#append(runId, fence, entries),
      keepBlob: (key, text) => keep(this.#db.kysely, { runId, key, text }),
      readBlob: (key) => this.readBlob(runId, key),
    }
  }

  /** In order, whole. */
  async read(runId: string, range: { after?: number; limit?: number } = {}): Promise<Entry[]> {
    const { rows } = await this.#db.pool.query<Found>({
      name: 'agent-entries',
      text: `select seq, at, type, data from agent_entries where run_id = $1 and seq > $2 order by seq limit $3`,
      values: [runId, range.after ?? 0, range.limit ?? null],
    })
    return await whole(this.#db.kysely, runId, rows)
  }

  /** From the beginning, on the connection of a transaction: who holds one and waits for another waits for those who do the same. */
  async readWithin(tx: Queries, runId: string, range: { limit?: number } = {}): Promise<Entry[]> {
    const query = tx
      .selectFrom('agent_entries')
      .select(['seq', 'at', 'type', 'data'])
      .where('run_id', '=', runId)
      .orderBy('seq')
    const rows = await (range.limit === undefined ? query : query.limit(range.limit)).execute()
    return await whole(tx, runId, rows)
  }

  async readBlob(runId: string, key: string): Promise<string | undefined> {
    const row = await this.#db.kysely
      .selectFrom('agent_blobs')
      .select('data')
      .where('run_id', '=', runId)
      .where('hash', '=', key)
      .executeTakeFirst()
    return row?.data.toString('utf8')
  }

  /** Keeps images beside the journal, by `tx`: before what names them. */
  async keepImages(tx: Queries, runId: string, images: readonly NewImage[]): Promise<void> {
    for (const { hash: key, data } of images) await keep(tx, { runId, key, text: data })
  }

  /** As rows of the table, with large payloads kept beside them first. For what is written together with something else, by `tx`. */
  async rows(tx: Queries, { runId, fence, entries }: Omit<Waiting, 'done' | 'failed'>): Promise<Row[]> {
    const rows: Row[] = []
    for (const { entry, json } of entries) {
      const { seq, at, type } = entry
      let data = json
      if (json.length > longestInline) {
        const key = hash('sha256', json, 'hex')
        await keep(tx, { runId, key, text: json })
        data = JSON.stringify({ $blob: key, chars: json.length })
      }
      rows.push({ run_id: runId, fence, seq, at: isoOf(at), type, data })
    }
    return rows
  }

  /** Such rows as a parameter of a statement, where they are rows of `entryColumns`. */
  static json(rows: readonly Row[]): string {
    let text = ''
    for (const { run_id: id, fence, seq, at, type, data } of rows)
      text += `${text ? ',' : '['}{"run_id":"${id}","fence":${fence},"seq":${seq},"at":"${at}","type":"${type}","data":${data}}`
    return `${text || '['}]`
  }

  #append(runId: string, fence: number, entries: readonly Recorded[]): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ runId, fence, entries, done, failed })
      if (!this.#isWriting) void this.#writeAll()
    })
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    try {
      while (this.#waiting.length > 0) {
        const group = this.#waiting.splice(0, mostAtOnce)
        await this.#write(group).catch(async (error) => {
          if (group.length === 1) return group[0]!.failed(error)
          // The fault of one is not that of the others.
          for (const one of group) await this.#write([one]).catch(one.failed)
        })
      }
    } finally {
      this.#isWriting = false
    }
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    const rows: Row[] = []
    for (const one of group) rows.push(...(await this.rows(this.#db.kysely, one)))
    const { rows: written } = await step('agent.append', group[0]!.runId, () =>
      // Fewer come back where a fence was not the newest.
      this.#db.pool.query<{ run_id: string }>({
        ...{ name: 'agent-append', text: insertion },
        values: [JournalStore.json(rows)],
      }),
    ).catch((error) => {
      // Somebody else has written this number of this run.
      throw (error as { code?: string }).code === '23505'
        ? new Superseded('another process writes this journal')
        : error
    })
    const mine = new Set(written.map(({ run_id }) => run_id))
    for (const { runId, entries, done, failed } of group)
      if (entries.length === 0 || mine.has(runId)) done()
      else failed(new Superseded('another process has taken this run over'))
  }
}

/** Entries with their payloads, those that are beside them read at once. */
async function whole(queries: Queries, runId: string, rows: readonly Found[]): Promise<Entry[]> {
  const keys = rows.flatMap(({ data }) => blobOf(data) ?? [])
  const blobs =
    keys.length === 0
      ? []
      : await queries
          .selectFrom('agent_blobs')
          .select(['hash', 'data'])
          .where('run_id', '=', runId)
          .where(sql<boolean>`hash = any(${keys})`)
          .execute()
  const payloads = new Map(blobs.map(({ hash: key, data }) => [key, data.toString('utf8')]))
  return rows.map(({ seq, at, type, data }) => {
    const key = blobOf(data)
    return { seq, at: at.getTime(), type, data: key === undefined ? data : JSON.parse(payloads.get(key)!) } as Entry
  })
}

let last = { at: Number.NaN, text: '' }

/** Much happens in the same millisecond. */
function isoOf(at: number): string {
  if (at !== last.at) last = { at, text: new Date(at).toISOString() }
  return last.text
}

function blobOf(data: unknown): string | undefined {
  return (data as { $blob?: string }).$blob
}

async function keep(
  queries: Queries,
  { runId, key, text }: { runId: string; key: string; text: string },
): Promise<void> {
  const insert = queries
    .insertInto('agent_blobs')
    .values({ run_id: runId, hash: key, data: Buffer.from(text) })
    .onConflict((conflict) => conflict.doNothing())
  await step('agent.keep', runId, () => insert.execute())
}
