import { type RawBuilder, sql } from 'kysely'
import { step } from '../lib/step.ts'
import type { RecordUsage, UsageFact } from './usage-fact.ts'

/** As many as one statement records at once. */
const mostAtOnce = 5000

/** Records each fact once, however often it is told. Throws where a fact breaks a rule of the table: then none of the call's last. */
export const recordUsage: RecordUsage = async (queries, facts) => {
  for (let from = 0; from < facts.length; from += mostAtOnce) {
    const some = facts.slice(from, from + mostAtOnce)
    await step('usage.record', some[0]!.key, () => insertion(some).execute(queries))
  }
}

function insertion(facts: readonly UsageFact[]) {
  const column = (type: string, value: (fact: UsageFact) => unknown): RawBuilder<unknown> =>
    sql`${facts.map(value)}::${sql.raw(type)}[]`
  return sql`
    insert into usage_facts (key, account_id, kind, subject, started_at, ended_at, cpu_ms, memory_mb_ms, disk_mb_ms,
      network_in_bytes, network_out_bytes, gpu_ms, model_input_tokens, model_cached_tokens, model_output_tokens, attributes)
    select * from unnest(${sql.join([
      column('text', (fact) => fact.key),
      column('text', (fact) => fact.accountId),
      column('text', (fact) => fact.kind),
      column('text', (fact) => fact.subject),
      column('timestamptz', (fact) => fact.startedAt.toISOString()),
      column('timestamptz', (fact) => fact.endedAt.toISOString()),
      column('bigint', (fact) => whole(fact.cpuMs)),
      column('bigint', (fact) => whole(fact.memoryMbMs)),
      column('bigint', (fact) => whole(fact.diskMbMs)),
      column('bigint', (fact) => whole(fact.networkInBytes)),
      column('bigint', (fact) => whole(fact.networkOutBytes)),
      column('bigint', (fact) => whole(fact.gpuMs)),
      column('bigint', (fact) => whole(fact.modelInputTokens)),
      column('bigint', (fact) => whole(fact.modelCachedTokens)),
      column('bigint', (fact) => whole(fact.modelOutputTokens)),
      column('jsonb', (fact) => JSON.stringify(fact.attributes ?? {})),
    ])})
    on conflict (key) do nothing`
}

function whole(value = 0): number {
  return Math.round(value)
}
