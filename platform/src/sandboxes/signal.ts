import { constants } from 'node:os'
import { WarrenError } from '../errors.ts'

const numbers: Record<string, number> = constants.signals

/** The number of a signal given as `SIGTERM`, `TERM` or 15. Throws `invalid_request` for what Linux does not have. */
export function signalNumber(signal: string | number): number {
  const number = typeof signal === 'number' ? signal : (numbers[signal] ?? numbers[`SIG${signal}`])
  if (number !== undefined && Number.isInteger(number) && number >= 1 && number <= 64) return number
  throw new WarrenError(
    'invalid_request',
    `signal must be a name such as SIGTERM or a number from 1 to 64, not "${signal}"`,
  )
}

/** `SIGKILL` for 9; the number as text for one that has no name. */
export function signalName(number: number): string {
  return names.get(number) ?? String(number)
}

// Some numbers have two names (SIGIOT, SIGPOLL): the first listed is the usual one.
const names = new Map(
  Object.entries(numbers)
    .reverse()
    .map(([name, number]) => [number, name]),
)
