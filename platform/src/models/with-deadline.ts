import type { Model } from './model.ts'

/** Gives `model` at most `totalMs` for one answer, retries and failover within it included. Then it fails with `timeout`. */
export function withDeadline(model: Model, totalMs: number): Model {
  return {
    name: model.name,
    async *stream(request, signal) {
      const over = new AbortController()
      const timer = setTimeout(() => over.abort(), totalMs)
      try {
        for await (const event of model.stream(
          request,
          signal ? AbortSignal.any([signal, over.signal]) : over.signal,
        )) {
          const late = event.type === 'failed' && event.failure.code === 'cancelled' && !signal?.aborted
          const message = `${model.name} was not done after ${totalMs / 1000} s`
          yield late && event.type === 'failed' ? { ...event, failure: { code: 'timeout', message } } : event
        }
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
