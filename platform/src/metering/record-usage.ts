import { sql } from 'kysely'
import { step } from '../lib/step.ts'
import type { Queries } from '../storage/database.ts'
import type { RecordUsage, UsageFact } from './usage-fact.ts'

/** As many as one statement records at once. */
const mostAtOnce = 5000

/** Records each fact once, however often it is told. Throws where a fact breaks a rule of the table: then none of the call's last. */
export const recordUsage: RecordUsage = Object.assign(record, { within, json })

async function record(queries: Queries, facts: readonly UsageFact[]): Promise<void> {
  const parts = within('\0', 'true').split('\0')
  for (let from = 0; from < facts.length; from += mostAtOnce) {
    const some = facts.slice(from, from + mostAtOnce)
    const insertion = sql`${sql.raw(parts[0]!)}${json(some)}${sql.raw(parts[1]!)}`
    await step('usage.record', some[0]!.key, () => insertion.execute(queries))
  }
}

const columns = `key text, "accountId" text, kind text, subject text, "startedAt" bigint, "endedAt" bigint, "cpuMs" numeric, "memoryMbMs" numeric, "memoryHeldMbMs" numeric,
  "diskMbMs" numeric, "networkInBytes" numeric, "networkOutBytes" numeric, "gpuMs" numeric, "modelInputTokens" numeric,
  "modelCachedTokens" numeric, "modelOutputTokens" numeric, attributes jsonb`
const counted = ['cpuMs', 'memoryMbMs', 'memoryHeldMbMs', 'diskMbMs', 'networkInBytes', 'networkOutBytes', 'gpuMs']
  .concat('modelInputTokens', 'modelCachedTokens', 'modelOutputTokens')
  .map((name) => `coalesce(round("${name}"), 0)`)
  .join(', ')

/** All rows as one value: most facts have few of the columns, and a list for each column costs more to write and to read. */
function within(parameter: string, condition: string): string {
  return `insert into usage_facts (key, account_id, kind, subject, started_at, ended_at, cpu_ms, memory_mb_ms,
      memory_held_mb_ms, disk_mb_ms, network_in_bytes, network_out_bytes, gpu_ms, model_input_tokens, model_cached_tokens, model_output_tokens, attributes)
    select key, "accountId", kind, subject, to_timestamp("startedAt" / 1000.0), to_timestamp("endedAt" / 1000.0), ${counted},
      coalesce(attributes, '{}')
    from json_to_recordset(${parameter}::json) as fact (${columns})
    where ${condition} on conflict (key) do nothing`
}

function json(facts: readonly UsageFact[]): string {
  return JSON.stringify(
    facts.map((fact) => ({ ...fact, startedAt: fact.startedAt.getTime(), endedAt: fact.endedAt.getTime() })),
  )
}
