import { pino } from 'pino'

export type Logger = pino.Logger

/** Writes one JSON object per line to stderr. What looks like a key is blotted out wherever in the line it stands. */
export function createLogger(
  level: string,
  destination: pino.DestinationStream = pino.destination({ fd: 2, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['authorization', '*.authorization', '*["x-api-key"]', '*.password', 'password'], censor: '…' },
      hooks: { streamWrite: (line) => line.replace(/\be2b_[0-9a-f]{40}\b/g, 'e2b_…') },
    },
    destination,
  )
}
