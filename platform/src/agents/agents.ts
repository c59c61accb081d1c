import { sql } from 'kysely'
import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import type { Agent, AgentSpec } from './agent.ts'
import { calculatorAndFetch } from './examples/calculator-and-fetch.ts'
import { graphFault } from './loop/graph.ts'
import { serversFault } from './mcp/server.ts'
import type { ModelSource } from './models.ts'
import { ruleFault } from './safety/decide.ts'
import { skillsFault } from './skills/skill.ts'
import { builtInTools } from './tools/toolbox.ts'

interface AgentsOptions {
  db: Database
  models: ModelSource
  now: () => Date
  /** What an agent knew, within the transaction that deletes it. */
  forgetMemory: (tx: Queries, whose: { accountId: string; agent: string }) => Promise<void>
}

const { task, ...example } = calculatorAndFetch
/** There for every account, as long as it has none of that name. */
const builtIn = new Map<string, { spec: AgentSpec; task: string }>([[example.name, { spec: example, task }]])

export const builtInAgents: readonly string[] = [...builtIn.keys()]

/** The agents of accounts: the one writer of their table. */
export class Agents {
  readonly #db: Database
  readonly #models: ModelSource
  readonly #now: () => Date
  readonly #forgetMemory: AgentsOptions['forgetMemory']

  constructor({ db, models, now, forgetMemory }: AgentsOptions) {
    this.#db = db
    this.#models = models
    this.#now = now
    this.#forgetMemory = forgetMemory
  }

  /** Makes an agent, or gives the one of that name another definition; runs that go on keep theirs. The same again changes nothing. */
  async put(account: Account, spec: AgentSpec): Promise<Agent> {
    this.check(spec)
    const now = this.#now()
    const text = JSON.stringify(spec)
    const row = await step('agent.put', spec.name, () =>
      this.#db.transaction(async (tx) => {
        const changed = await tx
          .insertInto('agents')
          .values({ account_id: account.id, name: spec.name, spec: text, created_at: now, updated_at: now })
          .onConflict((conflict) =>
            conflict
              .columns(['account_id', 'name'])
              .doUpdateSet({ spec: text, updated_at: now })
              .where(sql<boolean>`agents.spec::text is distinct from ${text}`),
          )
          .returningAll()
          .returning(sql<boolean>`xmax = 0`.as('isNew'))
          .executeTakeFirst()
        const { id: accountId } = account
        if (!changed) return rowOf(tx, accountId, spec.name).executeTakeFirstOrThrow()
        const type = changed.isNew ? 'agent.created' : 'agent.updated'
        await appendEvent(tx, { type, accountId, subject: spec.name, data: { name: spec.name } })
        return changed
      }),
    )
    return { spec: row.spec as AgentSpec, builtIn: false, createdAt: row.created_at, updatedAt: row.updated_at }
  }

  /** Throws `not_found` when there is none. */
  async get(account: Account, name: string): Promise<Agent> {
    const row = await rowOf(this.#db.kysely, account.id, name).executeTakeFirst()
    if (row)
      return { spec: row.spec as AgentSpec, builtIn: false, createdAt: row.created_at, updatedAt: row.updated_at }
    const own = builtIn.get(name)
    if (own) return { spec: own.spec, builtIn: true, createdAt: new Date(0), updatedAt: new Date(0) }
    throw new WarrenError('not_found', `there is no agent ${name.slice(0, 64)}`)
  }

  /** By name, those that come with the platform last. */
  async list(account: Account): Promise<Agent[]> {
    const rows = await this.#db.kysely
      .selectFrom('agents')
      .selectAll()
      .where('account_id', '=', account.id)
      .orderBy('name')
      .execute()
    const own = rows.map(
      (row): Agent => ({
        spec: row.spec as AgentSpec,
        builtIn: false,
        createdAt: row.created_at,
        updatedAt: row.updated_at,
      }),
    )
    const names = new Set(own.map(({ spec }) => spec.name))
    const others = [...builtIn.values()].filter(({ spec }) => !names.has(spec.name))
    return [
      ...own,
      ...others.map(({ spec }): Agent => ({ spec, builtIn: true, createdAt: new Date(0), updatedAt: new Date(0) })),
    ]
  }

  /** With its facts and documents; its runs, and what they have become as experiences, stay. */
  async remove(account: Account, name: string): Promise<void> {
    await step('agent.remove', name, () =>
      this.#db.transaction(async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom('agents')
          .where('account_id', '=', account.id)
          .where('name', '=', name)
          .executeTakeFirstOrThrow()
        if (numDeletedRows === 0n)
          throw new WarrenError('not_found', `there is no agent ${name.slice(0, 64)} that could be deleted`)
        await this.#forgetMemory(tx, { accountId: account.id, agent: name })
        await appendEvent(tx, { type: 'agent.deleted', accountId: account.id, subject: name, data: { name } })
      }),
    )
  }

  /** What a run of it is given where nobody says. */
  taskOf(name: string): string | undefined {
    return builtIn.get(name)?.task
  }

  /** Throws `invalid_request` for what cannot work. */
  check(spec: AgentSpec): void {
    const unknown = spec.tools?.find((tool) => !builtInTools.includes(tool as (typeof builtInTools)[number]))
    if (unknown !== undefined)
      throw new WarrenError('invalid_request', `there is no tool "${unknown}"; there are: ${builtInTools.join(', ')}`)
    const fault =
      ruleFault(spec.rules ?? []) ??
      serversFault(spec.mcp ?? []) ??
      skillsFault(spec.skills ?? []) ??
      policyFault(spec) ??
      patternFault(spec.completion?.matches)
    if (fault) throw new WarrenError('invalid_request', fault)
    this.#models.check(spec)
  }
}

function rowOf(queries: Queries, accountId: string, name: string) {
  return queries.selectFrom('agents').selectAll().where('account_id', '=', accountId).where('name', '=', name)
}

function policyFault({ policy, graph, completion }: AgentSpec): string | undefined {
  if ((policy === 'graph') !== (graph !== undefined)) return 'the policy "graph" goes with the field "graph"'
  if (completion && completion.matches === undefined && completion.judge === undefined)
    return '"completion" needs "matches" or "judge"'
  if (graph && completion) return '"completion" does not go with a graph: a node can judge what another one answers'
  return graph && graphFault(graph)
}

function patternFault(pattern: string | undefined): string | undefined {
  if (pattern === undefined) return undefined
  try {
    new RegExp(pattern, 'u')
    return undefined
  } catch (error) {
    return `completion.matches: ${(error as Error).message}`
  }
}
