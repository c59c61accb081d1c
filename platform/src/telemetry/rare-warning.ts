import type { Logger } from './logger.ts'

/** A warning that would be said again and again while something is away: at most once in `everyMs` milliseconds. */
export function rareWarning(
  logger: Pick<Logger, 'warn'>,
  { text, everyMs }: { text: string; everyMs: number },
): (reason: Error) => void {
  let saidAt = Number.NEGATIVE_INFINITY
  return ({ message }) => {
    if (performance.now() - saidAt < everyMs) return
    saidAt = performance.now()
    logger.warn({ reason: message }, text)
  }
}
