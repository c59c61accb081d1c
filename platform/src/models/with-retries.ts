import { setTimeout as delay } from 'node:timers/promises'
import { failureCodes, type Model, type ModelFailure } from './model.ts'

export interface RetryDeps {
  /** From 0 to 1. */
  random: () => number
  /** Rejects when `signal` aborts. */
  sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

export interface RetryOptions {
  /** In all, the first included. */
  attempts?: number
  /** The first wait at most; it doubles each time. */
  baseMs?: number
  /** A vendor that asks for more is not waited for: the failure is passed on, with the time it asked for. */
  maxWaitMs?: number
}

const realDeps: RetryDeps = {
  random: Math.random,
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
}

/** Asks `model` again when a failure may pass: after the time its vendor names, else after a growing random time. */
export function withRetries(model: Model, options: RetryOptions = {}, deps: RetryDeps = realDeps): Model {
  const { attempts = 4, baseMs = 500, maxWaitMs = 60_000 } = options
  return {
    name: model.name,
    async *stream(request, signal) {
      for (let attempt = 1; ; attempt++) {
        let failure: ModelFailure | undefined
        for await (const event of model.stream(request, signal)) {
          if (event.type !== 'failed' || signal?.aborted) {
            yield event
            continue
          }
          const retryInMs = attempt < attempts ? waitMs(event.failure, attempt) : undefined
          if (retryInMs === undefined) {
            yield event
            return
          }
          failure = event.failure
          yield { type: 'attempt_failed', model: model.name, failure, retryInMs }
          try {
            await deps.sleep(retryInMs, signal)
          } catch {
            yield {
              type: 'failed',
              failure: { code: 'cancelled', message: `the caller gave up while waiting after: ${failure.message}` },
            }
            return
          }
        }
        if (!failure) return
      }
    },
  }

  /** Undefined where another attempt makes no sense. */
  function waitMs({ code, retryAfterMs }: ModelFailure, attempt: number): number | undefined {
    if (!failureCodes[code].again) return undefined
    if (retryAfterMs === undefined)
      return Math.round(Math.min(maxWaitMs, baseMs * 2 ** (attempt - 1)) * (0.5 + deps.random() / 2))
    return retryAfterMs <= maxWaitMs ? retryAfterMs : undefined
  }
}
