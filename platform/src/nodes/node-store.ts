import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import { heard, type Node } from './node.ts'

/** What is recorded of workers: the one writer of their table. */
export class NodeStore {
  readonly #db: Pick<Database, 'pool'>

  constructor(db: Pick<Database, 'pool'>) {
    this.#db = db
  }

  /** From now on the platform counts on it. An earlier process of the same home is dead. */
  async join(node: Pick<Node, 'id' | 'host' | 'address' | 'memoryMb'>): Promise<void> {
    const { id, host, address, memoryMb } = node
    const text = `insert into nodes (id, holder, host, address, memory_mb, heard_at) values ($1, $2, $3, $4, $5, clock_timestamp())
      on conflict (id) do update set holder = excluded.holder, host = excluded.host, address = excluded.address,
        memory_mb = excluded.memory_mb, heard_at = excluded.heard_at`
    await step('node.join', id, () => this.#db.pool.query(text, [id, this.#holder, host, address, memoryMb]))
  }

  /** False when it is not a worker of this database any more. */
  async renew(id: string): Promise<boolean> {
    const text = 'update nodes set heard_at = clock_timestamp() where id = $1 and holder = $2'
    const statement = { name: 'node-renew', text, values: [id, this.#holder] }
    const { rowCount } = await step('node.renew', id, () => this.#db.pool.query(statement))
    return rowCount === 1
  }

  /** It stops, and keeps its sandboxes. */
  async leave(id: string): Promise<void> {
    const text = 'update nodes set heard_at = null where id = $1 and holder = $2'
    await step('node.leave', id, () => this.#db.pool.query(text, [id, this.#holder]))
  }

  /** Forgets one that has not been heard of, and ends what connections it may still have. False when there is no such one. */
  async remove(id: string): Promise<boolean> {
    const text = `with gone as (delete from nodes where id = $1
        and coalesce(heard_at < clock_timestamp() - $2 * interval '1 millisecond', true) returning holder)
      select (select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = holder) from gone`
    const { rowCount } = await step('node.remove', id, () => this.#db.pool.query(text, [id, heard.forMs]))
    return rowCount === 1
  }

  /** All workers, and what the platform itself has promised. */
  async list(): Promise<{ nodes: Node[]; ownPromisedMb: number }> {
    const { rows } = await this.#db.pool.query<Row>({
      name: 'node-list',
      text: `with load as (select node, count(*)::int as sandboxes, sum((limits ->> 'memoryMb')::float8) as promised
          from sandboxes s where ended_at is null and occupies_a_place(s) group by node)
        select id, host, address, memory_mb as "memoryMb", heard_at as "heardAt",
          coalesce(heard_at > clock_timestamp() - $1 * interval '1 millisecond', false) as "isHeard",
          coalesce(sandboxes, 0) as sandboxes, coalesce(promised, 0) as "promisedMb"
        from nodes left join load on load.node = nodes.id
        union all select null, null, null, null, null, null, sandboxes, promised from load where node is null
        order by 1`,
      values: [heard.forMs],
    })
    const nodes = rows.flatMap(({ id, heardAt, ...row }) =>
      id === null ? [] : [{ ...row, id, heardAt: heardAt ?? undefined }],
    )
    return { nodes, ownPromisedMb: rows.find(({ id }) => id === null)?.promisedMb ?? 0 }
  }

  /** The id of the worker that has a sandbox; undefined where none has. */
  async of(sandboxId: string): Promise<string | undefined> {
    const { rows } = await this.#db.pool.query<{ node: string | null }>({
      name: 'node-of',
      text: 'select node from sandboxes where id = $1 and ended_at is null',
      values: [sandboxId],
    })
    return rows[0]?.node ?? undefined
  }

  get #holder(): string {
    return this.#db.pool.options.application_name!
  }
}

interface Row extends Omit<Node, 'id' | 'heardAt'> {
  id: string | null
  heardAt: Date | null
}
