import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'
import type { Call } from './invocation.ts'

/** A value of a step, as JSON, is at most so long. */
const mostStepBytes = 256 * 1024
const mostSteps = 10_000

/** What the steps of a call came to, kept until it ends: an attempt goes on after the last one that was finished. */
export function stepsOf(db: Database, invocationId: string): NonNullable<Call['step']> {
  return async ({ name, value, done }) => {
    const key = String(name).slice(0, 500).replaceAll('\0', '')
    if (!done) {
      const { rows } = await db.pool.query<{ value: unknown }>({
        name: 'function-step',
        text: 'select value from function_steps where invocation_id = $1 and name = $2',
        values: [invocationId, key],
      })
      return rows[0] ? { found: true, value: rows[0].value } : { found: false }
    }
    const text = JSON.stringify(value ?? null)
    if (text.length > mostStepBytes)
      return { error: `what the step "${key}" came to has ${text.length} bytes, over ${mostStepBytes}` }
    await step('function.step', invocationId, () =>
      db.pool.query(
        `insert into function_steps (invocation_id, name, value) select $1, $2, $3::jsonb
          where (select count(*) from function_steps where invocation_id = $1) < $4
          on conflict (invocation_id, name) do nothing`,
        [invocationId, key, text, mostSteps],
      ),
    )
    return { found: true }
  }
}
