import { Cron } from 'croner'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'

export const CreateSchedule = Type.Object(
  {
    cron: Type.String({
      maxLength: 200,
      description: 'Five fields, or six with seconds first, such as `*/10 * * * * *`; `@hourly` and its like too.',
    }),
    timeZone: Type.Optional(Type.String({ maxLength: 64, description: 'Such as Europe/Zurich. Default UTC.' })),
    catchUp: Type.Optional(
      Type.Enum(['skip', 'one', 'all'], {
        description:
          'What becomes of times that passed while the platform was down: nothing, one call for all, or one for each of up to 100. Default one.',
      }),
    ),
    payload: Type.Optional(Type.Unknown({ description: 'The `data` of the event.' })),
  },
  { $id: 'CreateSchedule', additionalProperties: false },
)
export type CreateSchedule = Static<typeof CreateSchedule>

export interface Schedule {
  id: string
  functionId: string
  cron: string
  timeZone: string
  catchUp: 'skip' | 'one' | 'all'
  payload: unknown
  nextAt: Date | undefined
  lastAt: Date | undefined
  createdAt: Date
}

/** Times this close to now are not missed, only a little late, milliseconds. */
const lateMs = 30_000
const mostCaughtUp = 100
const mostLookedAt = 10_000

/** Throws `invalid_request` saying what is wrong with the expression or the time zone. */
export function readCron(cron: string, timeZone: string): Cron {
  try {
    Intl.DateTimeFormat('en', { timeZone })
  } catch (cause) {
    throw new WarrenError('invalid_request', `"${timeZone}" is no time zone`, {
      hint: 'Such as UTC or Europe/Zurich.',
      cause,
    })
  }
  let read: Cron
  try {
    read = new Cron(cron, { timezone: timeZone })
  } catch (cause) {
    const { message } = cause as Error
    throw new WarrenError('invalid_request', `"${cron}" is no cron expression: ${message}`, {
      hint: 'minute hour day month weekday, with seconds before them if wanted: 0 30 8 * * MON-FRI',
      cause,
    })
  }
  if (read.nextRun()) return read
  throw new WarrenError('invalid_request', `the cron expression "${cron}" never comes to a time`)
}

/** The times from `due` on that calls are made for at `now`, and the next time after it. */
export function timesDue(
  { cron, timeZone, catchUp }: Pick<Schedule, 'cron' | 'timeZone' | 'catchUp'>,
  due: Date,
  now: Date,
): { times: Date[]; next: Date | undefined } {
  const read = readCron(cron, timeZone)
  let passed: Date[] = []
  let at: Date | null = due
  for (let looked = 0; at && at <= now && looked < mostLookedAt; looked++) {
    passed.push(at)
    at = read.nextRun(at)
  }
  const next = read.nextRun(now) ?? undefined
  const onTime = passed.filter((time) => now.getTime() - time.getTime() <= lateMs)
  if (catchUp === 'all') passed = passed.slice(-mostCaughtUp)
  else if (catchUp === 'one') passed = onTime.length > 0 ? onTime : passed.slice(-1)
  else passed = onTime
  return { times: passed, next }
}
