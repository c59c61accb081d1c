import { type Versioned, VersionedReads } from '../lib/versioned-reads.ts'
import type { Database } from '../storage/database.ts'
import type { Sandbox, State } from './sandbox.ts'
import { type SandboxRow, sandboxOf } from './sandbox-row.ts'

export interface SandboxFilter {
  state?: State | readonly State[] | undefined
  template?: string | undefined
  createdFrom?: Date | undefined
  metadata: Record<string, string>
}

export interface SandboxPage {
  first: 'newest' | 'oldest'
  after: { createdAt: Date; id: string } | undefined
  limit: number
}

/** Records that are remembered at once, of a few kilobytes each. */
const mostRemembered = 2_000
/** Says which state of a row this is: no two of one row have the same, whoever wrote them. */
const version = 'xmin::text || ctid::text as version'

const byId = (columns: string, name: string) => ({
  name: `sandbox-${name}`,
  text: `select ${columns} from sandboxes where id = any($1) and ended_at is null`,
})

/** What is read of the records of sandboxes that have not ended: as it is now, and whole only where it has changed. */
export class SandboxReads {
  readonly #db: Pick<Database, 'pool'>
  readonly #records = new VersionedReads<Sandbox>(
    {
      versions: async (ids) => new Map(await this.#versioned({ ...byId(`id, ${version}`, 'versions'), values: [ids] })),
      records: async (ids) => new Map(await this.#whole({ ...byId(`*, ${version}`, 'find'), values: [ids] })),
    },
    { most: mostRemembered },
  )

  constructor(db: Pick<Database, 'pool'>) {
    this.#db = db
  }

  async find(accountId: string, id: string): Promise<Sandbox | undefined> {
    const sandbox = await this.findOfAny(id)
    return sandbox?.accountId === accountId ? sandbox : undefined
  }

  async findOfAny(id: string): Promise<Sandbox | undefined> {
    return isSandboxId(id) ? this.#records.get(id) : undefined
  }

  async list(accountId: string, filter: SandboxFilter, { first, after, limit }: SandboxPage): Promise<Sandbox[]> {
    const [direction, beyond] = first === 'newest' ? ['desc', '<'] : ['asc', '>']
    const { kind, conditions, values } = matching(accountId, filter)
    if (after) {
      const at = values.push(after.createdAt, after.id)
      conditions.push(`(created_at, id) ${beyond} ($${at - 1}::timestamptz, $${at})`)
    }
    const rest = `from sandboxes where ${conditions.join(' and ')}
      order by created_at ${direction}, id ${direction} limit $${values.push(limit)}`
    const name = `sandbox-list-${direction}${after ? '-after' : ''}${kind}`
    const versions = await this.#versioned({ name, text: `select id, ${version} ${rest}`, values })
    const known = this.#records.remembered(versions)
    if (known) return known
    // All of it anew, so that it is a list of one moment.
    const whole = await this.#whole({ name: `${name}-whole`, text: `select *, ${version} ${rest}`, values })
    return whole.map(([id, read]) => this.#records.remember(id, read))
  }

  async count(accountId: string, filter: SandboxFilter): Promise<number> {
    const { kind, conditions, values } = matching(accountId, filter)
    const { rows } = await this.#db.pool.query<{ count: number }>({
      name: `sandbox-count${kind}`,
      text: `select count(*) from sandboxes where ${conditions.join(' and ')}`,
      values,
    })
    return rows[0]!.count
  }

  async #versioned(query: Query): Promise<[id: string, version: string][]> {
    const { rows } = await this.#db.pool.query<[string, string]>({ ...query, rowMode: 'array' })
    return rows
  }

  async #whole(query: Query): Promise<[id: string, read: Versioned<Sandbox>][]> {
    const { rows } = await this.#db.pool.query<SandboxRow & { version: string }>(query)
    return rows.map((row) => [row.id, { version: row.version, record: sandboxOf(row) }])
  }
}

interface Query {
  /** Of the prepared statement: at most 63 bytes. */
  name: string
  text: string
  values: unknown[]
}

/** What is none cannot be there, and need not even be text that a database takes. */
export function isSandboxId(id: string): boolean {
  return /^[a-z0-9]{1,64}$/.test(id)
}

/** The conditions on a row, with the values that they name by their numbers; `kind` says which conditions they are. */
function matching(accountId: string, { state, template, createdFrom, metadata }: SandboxFilter) {
  const values: unknown[] = [accountId]
  const conditions = ['account_id = $1', 'ended_at is null']
  let kind = ''
  const add = (name: string, value: unknown, condition: (at: string) => string) => {
    kind += `-${name}`
    conditions.push(condition(`$${values.push(value)}`))
  }
  if (state) add('state', [state].flat(), (at) => `state = any(${at})`)
  if (template !== undefined) add('template', template, (at) => `template = ${at}`)
  if (createdFrom) add('from', createdFrom, (at) => `created_at >= ${at}`)
  if (Object.keys(metadata).length > 0) add('labels', JSON.stringify(metadata), (at) => `metadata @> ${at}::jsonb`)
  return { kind, conditions, values }
}
