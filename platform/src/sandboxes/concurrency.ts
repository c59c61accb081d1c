import type { Account } from '../accounts/account.ts'
import type { Database } from '../storage/database.ts'

const mostPoints = 240
const leastStepSeconds = 5

/** How many sandboxes an account had running at a moment, and how many it had started a second until then, since the one before. */
export interface Concurrency {
  at: Date
  running: number
  startsPerSecond: number
}

/**
 * Point by point between two times, as far back as records of sandboxes are kept. One that is paused counts until then; that it was
 * paused earlier and resumed is not known any more.
 */
export async function readConcurrency(
  { pool }: Database,
  { id }: Account,
  { from, to }: { from: Date; to: Date },
): Promise<Concurrency[]> {
  const seconds = Math.max(0, (to.getTime() - from.getTime()) / 1000)
  const stepSeconds = Math.max(leastStepSeconds, Math.ceil(seconds / mostPoints))
  const { rows } = await pool.query<{ at: Date; running: string; starts: string }>({
    name: 'sandbox-concurrency',
    text: `select point as at,
        count(*) filter (where created_at <= point and coalesce(paused_at, ended_at, 'infinity') > point) as running,
        count(*) filter (where created_at > point - $4 * interval '1 second' and created_at <= point) as starts
      from generate_series($2::timestamptz, $3::timestamptz, $4 * interval '1 second') as point
      left join sandboxes on account_id = $1 and created_at <= $3 and coalesce(ended_at, 'infinity') > $2
      group by point order by point`,
    values: [id, from, to, stepSeconds],
  })
  return rows.map(({ at, running, starts }) => ({
    at,
    running: Number(running),
    startsPerSecond: Number(starts) / stepSeconds,
  }))
}
