import type { Database } from '../../storage/database.ts'
import { minuteOf } from './demand.ts'

interface Row {
  function_id: string
  at: Date
  calls: number
}

/** How many calls each function had in each of the last minutes, numbered back from now. Calls that have not ended are left out. */
export async function readPastCalls(
  { pool }: Pick<Database, 'pool'>,
  { now, minutes }: { now: Date; minutes: number },
): Promise<Map<string, Map<number, number>>> {
  const { rows } = await pool.query<Row>({
    name: 'function-past-calls',
    // By seconds, which leaves to one place where a minute begins.
    text: `select function_id, date_trunc('second', created_at) as at, count(*)::int as calls from function_invocations
      where ended_at > $1 group by 1, 2`,
    values: [new Date(now.getTime() - minutes * 60_000)],
  })
  const past = new Map<string, Map<number, number>>()
  for (const { function_id, at, calls } of rows) {
    const ago = minuteOf(now) - minuteOf(at)
    if (ago < 1 || ago > minutes) continue
    const counts = past.get(function_id) ?? new Map<number, number>()
    past.set(function_id, counts.set(ago, (counts.get(ago) ?? 0) + calls))
  }
  return past
}
