import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import { exponentOf } from './currency.ts'
import { builtInPlans, type Plan, type PlanTerms } from './plan.ts'

/** Writes the plans that Warren comes with, each once: what the operator wrote since stays. */
export async function seedPlans({ kysely }: Database, now: Date): Promise<void> {
  const [ids, terms] = [Object.keys(builtInPlans), Object.values(builtInPlans).map((plan) => JSON.stringify(plan))]
  await step('billing.seed_plans', 'plans', () =>
    sql`insert into billing_plans (id, version, terms, created_at)
      select id, 1, terms, ${now.toISOString()} from unnest(${ids}::text[], ${terms}::jsonb[]) as p (id, terms)
      on conflict do nothing`.execute(kysely),
  )
}

/** The newest version of each. */
export async function listPlans(queries: Queries): Promise<Plan[]> {
  const { rows } = await sql<Plan>`select distinct on (id) id, version, terms from billing_plans
    order by id, version desc`.execute(queries)
  return rows
}

/** That version, or the newest. Throws `not_found`. */
export async function findPlan(queries: Queries, id: string, version?: number): Promise<Plan> {
  const { rows } = await sql<Plan>`select id, version, terms from billing_plans
    where id = ${id} and (${version ?? null}::integer is null or version = ${version ?? null})
    order by version desc limit 1`.execute(queries)
  if (rows[0]) return rows[0]
  throw new WarrenError('not_found', `there is no plan "${id.slice(0, 64)}"`)
}

/**
 * A new version of a plan, or a new plan; the newest one itself where it has these terms already. Who is on an older version stays on it:
 * nothing of the past changes its price.
 */
export async function writePlan({ kysely }: Database, id: string, terms: PlanTerms, now: Date): Promise<Plan> {
  for (const currency of Object.keys(terms.prices)) exponentOf(currency)
  const text = JSON.stringify(terms)
  const written = await step('billing.write_plan', id, () =>
    sql<Plan>`insert into billing_plans (id, version, terms, created_at)
      select ${id}, coalesce(max(version), 0) + 1, ${text}::jsonb, ${now.toISOString()}
      from billing_plans where id = ${id}
      having (array_agg(terms order by version desc))[1] is distinct from ${text}::jsonb
      on conflict do nothing returning id, version, terms`.execute(kysely),
  )
  if (written.rows[0]) return written.rows[0]
  const { rows } = await sql<Plan & { same: boolean }>`select id, version, terms, terms = ${text}::jsonb as same
    from billing_plans where id = ${id} order by version desc limit 1`.execute(kysely)
  const [newest] = rows
  if (newest?.same) return { id: newest.id, version: newest.version, terms: newest.terms }
  throw new WarrenError('conflict', `plan ${id} is being written by another request`)
}
