import type { Selectable } from 'kysely'
import { WarrenError } from '../errors.ts'
import { FreshCache } from '../lib/fresh-cache.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { OrganisationsTable } from '../storage/tables.ts'
import type { Account } from './account.ts'
import { freshMs, patienceMs } from './fresh.ts'
import { isDuplicate } from './is-duplicate.ts'

/** That of the operator: what the admin key acts for where it names no other. */
export const operatorsId = 'org0'

export interface Organisation extends Account {
  /** Undefined: as many as the setting says. */
  ownMaxSandboxes: number | undefined
  createdAt: Date
}

interface Deps {
  db: Database
  now: () => Date
  /** Of organisations that have no number of their own. */
  maxSandboxes: number
}

/** The organisations: the one writer of their table. */
export class Organisations {
  readonly #deps: Deps
  readonly #remembered = new FreshCache<Organisation>({ freshMs, patienceMs, most: 10_000 })

  constructor(deps: Deps) {
    this.#deps = deps
  }

  find(id: string): Promise<Organisation | undefined> {
    return this.#remembered.get(id, async () => {
      const query = this.#deps.db.kysely.selectFrom('organisations').selectAll().where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && this.#of(row)
    })
  }

  /** Throws `not_found` where there is none. */
  async get(id: string): Promise<Organisation> {
    const found = await this.find(id)
    if (found) return found
    throw noOrganisation(id)
  }

  /** Oldest first. */
  async list(): Promise<Organisation[]> {
    const rows = await this.#deps.db.kysely.selectFrom('organisations').selectAll().orderBy('created_at').execute()
    return rows.map((row) => this.#of(row))
  }

  /** Throws `conflict` where there is one of that name. */
  async create({ name, maxSandboxes }: { name: string; maxSandboxes?: number | undefined }): Promise<Organisation> {
    const row = { id: newId('org'), name, max_sandboxes: maxSandboxes ?? null, created_at: this.#deps.now() }
    const insertion = this.#deps.db.kysely.insertInto('organisations').values(row).returningAll()
    const made = await step('org.create', row.id, () => insertion.executeTakeFirstOrThrow()).catch((cause) => {
      throw taken(name, cause)
    })
    return this.#of(made)
  }

  /** What is not named stays. A `maxSandboxes` of null: as many as the setting says. */
  async change(
    id: string,
    { name, maxSandboxes }: { name?: string | undefined; maxSandboxes?: number | null | undefined },
  ): Promise<Organisation> {
    const change = {
      ...(name === undefined ? {} : { name }),
      ...(maxSandboxes === undefined ? {} : { max_sandboxes: maxSandboxes }),
    }
    if (Object.keys(change).length === 0) return this.get(id)
    const update = this.#deps.db.kysely.updateTable('organisations').set(change).where('id', '=', id).returningAll()
    const row = await step('org.change', id, () => update.executeTakeFirst()).catch((cause) => {
      throw taken(name ?? '', cause)
    })
    this.#remembered.forget(id)
    if (!row) throw noOrganisation(id)
    return this.#of(row)
  }

  #of(row: Selectable<OrganisationsTable>): Organisation {
    return {
      id: row.id,
      name: row.name,
      maxSandboxes: row.max_sandboxes ?? this.#deps.maxSandboxes,
      ownMaxSandboxes: row.max_sandboxes ?? undefined,
      createdAt: row.created_at,
    }
  }
}

export function noOrganisation(id: string): WarrenError {
  return new WarrenError('not_found', `there is no organisation "${id.slice(0, 64)}"`, {
    hint: 'Organisations are called by their id: warren org list, GET /v1/orgs.',
  })
}

function taken(name: string, cause: unknown): unknown {
  if (!isDuplicate(cause)) return cause
  return new WarrenError('conflict', `an organisation is called "${name}" already; names are given once`, { cause })
}
