import { pino } from 'pino'
import { currentTrace } from './trace-context.ts'

export type Logger = pino.Logger

/**
 * Writes one JSON object per line to stderr, or in a terminal a line for people. What looks like a key is blotted out
 * wherever in the line it stands. `onLine` gets every line as JSON.
 */
export function createLogger(
  level: string,
  destination: pino.DestinationStream = pino.destination({ fd: 2, sync: true }),
  forPeople = process.stderr.isTTY === true,
  onLine: (line: string) => void = () => {},
): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: traceIds,
      formatters: { level: (label) => ({ level: label, severity: label }), log: labelled },
      redact: { paths: ['authorization', '*.authorization', '*["x-api-key"]', '*.password', 'password'], censor: '…' },
      hooks: {
        streamWrite: (line) => {
          const harmless = line.replace(/\be2b_[0-9a-f]{40}\b/g, 'e2b_…')
          onLine(harmless)
          return forPeople ? readable(harmless) : harmless
        },
      },
    },
    destination,
  )
}

function traceIds(): Record<string, string> {
  const trace = currentTrace()
  return trace ? { trace_id: trace.traceId, span_id: trace.spanId } : {}
}

/** With the labels by which logs are searched: `sandbox_id` and `user_id`, beside `template` and `severity`. */
function labelled({ sandbox, account, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return {
    ...(sandbox === undefined ? {} : { sandbox_id: sandbox }),
    ...(account === undefined ? {} : { user_id: account }),
    ...rest,
  }
}

/** `12:01:02 warn  message  name=value …`, and below it the stack of an error. */
function readable(line: string): string {
  const { level, severity: _, time, msg, err, ...rest } = JSON.parse(line)
  const details = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  const stack = err?.stack ? `\n${err.stack}` : ''
  return `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${[msg, ...details].join('  ')}${stack}\n`
}
