import type { Database } from '../../storage/database.ts'
import { completeSettings } from '../function.ts'
import type { Used } from './sizing.ts'

export interface PastUse {
  /** Calls of versions that calls go to. */
  calls: Used[]
  /** What had too little memory was of another version with the same code. */
  tooLittle: Pick<Used, 'functionId' | 'version' | 'memoryMb'>[]
}

interface Row {
  function_id: string
  version: number
  live: number
  memory_mb: number | null
  billed_ms: string
  cpu_ms: string | null
  peak_mb: number | null
  reason: string | null
}

/** Those of so many functions are read, of the ones called last, and of each the last ones. */
const mostFunctions = 1000
const mostCalls = 200
/** What is read at once, so that others get the database and the processor in between. */
const atOnce = 25

/**
 * What calls used that ended before `until`, for a start, which knows nothing. How much is read goes by the number of functions,
 * however many calls there were.
 */
export async function* readPastUse({ pool }: Pick<Database, 'pool'>, until: Date): AsyncGenerator<PastUse> {
  const { rows: functions } = await pool.query<{ id: string }>({
    name: 'function-called-last',
    text: `select functions.id from functions cross join lateral (
        select created_at from function_invocations where function_id = functions.id order by created_at desc limit 1) as last
      order by last.created_at desc limit $1`,
    values: [mostFunctions],
  })
  for (let from = 0; from < functions.length; from += atOnce) {
    const ids = functions.slice(from, from + atOnce).map(({ id }) => id)
    const { rows } = await pool.query<Row>({
      name: 'function-past-use',
      text: `select call.function_id, call.version, (target.value ->> 'version')::int as live, (made.settings ->> 'memoryMb')::int as memory_mb,
          call.billed_ms, call.cpu_ms, call.peak_mb, call.error ->> 'reason' as reason
        from functions cross join jsonb_array_elements(functions.live) as target (value)
        join function_versions as current on current.function_id = functions.id and current.version = (target.value ->> 'version')::int
        cross join lateral (
          select function_id, version, billed_ms, cpu_ms, peak_mb, error, ended_at from function_invocations
          where function_id = functions.id order by created_at desc limit $2) as call
        join function_versions as made on made.function_id = functions.id and made.version = call.version and made.code = current.code
        where functions.id = any($1) and call.ended_at <= $3 and call.billed_ms is not null`,
      values: [ids, mostCalls, until],
    })
    yield useOf(rows)
  }
}

function useOf(rows: readonly Row[]): PastUse {
  const use: PastUse = { calls: [], tooLittle: [] }
  for (const row of rows) {
    const memoryMb = row.memory_mb ?? completeSettings({}).memoryMb
    const version = { functionId: row.function_id, version: row.live, memoryMb }
    const failure = row.reason === 'out_of_memory' ? ({ reason: row.reason, message: '' } as const) : undefined
    if (row.version !== row.live) {
      if (failure) use.tooLittle.push(version)
      continue
    }
    // What had none is of before peaks were recorded.
    if (row.peak_mb === null && !failure) continue
    use.calls.push({
      ...{ ...version, billedMs: Number(row.billed_ms) },
      ...(row.cpu_ms === null ? {} : { cpuMs: Number(row.cpu_ms) }),
      ...(row.peak_mb === null ? {} : { peakMb: row.peak_mb }),
      ...(failure ? { failure } : {}),
    })
  }
  return use
}
