import type { Selectable } from 'kysely'
import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import { FreshCache } from '../../lib/fresh-cache.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { FunctionRoutesTable } from '../../storage/tables.ts'
import { chooseVersion } from '../choose-version.ts'
import type { FunctionDeps } from '../functions.ts'
import {
  type CreateRoute,
  findRoute,
  type Route,
  type RouteMatch,
  type RouteMethod,
  readPath,
  shapeOf,
} from './route.ts'

const mostOfAccount = 500

/** Which requests below the address of an organisation are calls of which function: the one writer of their table. */
export class Routes {
  readonly #deps: Pick<FunctionDeps, 'db' | 'store' | 'now'>

  /** By organisation. What another process changed is seen so late. */
  readonly #routes = new FreshCache<Route[]>({ freshMs: 5000, most: 10_000 })

  constructor(deps: Pick<FunctionDeps, 'db' | 'store' | 'now'>) {
    this.#deps = deps
  }

  /** Throws `conflict` where there is one for the same requests. */
  async create({ id: accountId }: Account, input: CreateRoute): Promise<Route> {
    const { path, method = '*', version } = input
    const segments = readPath(path)
    const known = await this.#deps.store.get(accountId, input.function)
    // Throws where there is none.
    if (version !== undefined) chooseVersion(known, version)
    const { db, now } = this.#deps
    if ((await this.list({ id: accountId })).length >= mostOfAccount)
      throw new WarrenError('limit_exceeded', `an organisation has at most ${mostOfAccount} routes`)
    const values = {
      ...{ id: newId('r'), account_id: accountId, function_id: known.record.id, method, path },
      ...{ shape: shapeOf(segments), version: version ?? null, created_at: now() },
    }
    const insertion = db.kysely
      .insertInto('function_routes')
      .values(values)
      .onConflict((conflict) => conflict.columns(['account_id', 'method', 'shape']).doNothing())
      .returningAll()
    const row = await step('route.create', values.id, () => insertion.executeTakeFirst())
    this.#routes.forget(accountId)
    if (!row)
      throw new WarrenError('conflict', `there is a route for the same requests as ${method} ${path}`, {
        hint: 'Delete it first: warren fn route lists them.',
      })
    return toRoute(row)
  }

  /** By their paths, as they are written. */
  async list({ id }: Pick<Account, 'id'>): Promise<Route[]> {
    const query = this.#deps.db.kysely.selectFrom('function_routes').selectAll().where('account_id', '=', id)
    return (await query.orderBy('path').orderBy('method').execute()).map(toRoute)
  }

  /** Throws `not_found` where the organisation has no such route. */
  async remove({ id: accountId }: Account, id: string): Promise<void> {
    const deletion = this.#deps.db.kysely
      .deleteFrom('function_routes')
      .where('id', '=', id)
      .where('account_id', '=', accountId)
    const { numDeletedRows } = await step('route.remove', id, () => deletion.executeTakeFirstOrThrow())
    this.#routes.forget(accountId)
    if (numDeletedRows === 0n) throw new WarrenError('not_found', `there is no route "${id.slice(0, 64)}"`)
  }

  /** As `findRoute`, of one organisation. */
  async find(
    accountId: string,
    method: string,
    path: string,
  ): Promise<RouteMatch | { allow: RouteMethod[] } | undefined> {
    const routes = await this.#routes.get(accountId, () => this.list({ id: accountId }))
    return findRoute(routes ?? [], method, path)
  }
}

function toRoute(row: Selectable<FunctionRoutesTable>): Route {
  return {
    ...{ id: row.id, accountId: row.account_id, functionId: row.function_id },
    ...{ method: row.method as RouteMethod, path: row.path, segments: readPath(row.path) },
    ...{ version: row.version ?? undefined, createdAt: row.created_at },
  }
}
