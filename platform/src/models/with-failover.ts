import { type FailureCode, failureCodes, type Model, type ModelEvent, type ModelFailure } from './model.ts'

export interface FailoverOptions {
  /** Under which they answer as one. By default each answers under its own. */
  name?: string
  /** The failures after which the next is asked; by default those that another model or key may not have. */
  on?: readonly FailureCode[]
  now?: () => number
}

/** How long a model is passed over after such a failure, unless its vendor said. */
const restMs: Partial<Record<FailureCode, number>> = {
  auth: 300_000,
  quota_exceeded: 300_000,
  rate_limited: 30_000,
  overloaded: 10_000,
}

/**
 * Asks the first of `models`, and after a failure that is its own the next. One that failed lately comes last until its rest
 * is over. Each failure is told as `attempt_failed`. The outcome is the last one's, unless it will stay and another's will pass: then
 * that of whoever can be asked again the soonest.
 */
export function withFailover(models: readonly Model[], options: FailoverOptions = {}): Model {
  if (models.length === 0) throw new Error('failover needs at least one model')
  const { now = Date.now } = options
  const resting = new Map<Model, { until: number; failure: ModelFailure }>()
  const passesOn = ({ code }: ModelFailure) => options.on?.includes(code) ?? failureCodes[code].elsewhere

  return {
    name: options.name ?? models.map(({ name }) => name).join(' | '),
    async *stream(request, signal) {
      const order = [...models].sort((a, b) => restOf(a) - restOf(b))
      for (const skipped of models.slice(0, models.indexOf(order[0]!))) {
        const failure = resting.get(skipped)!.failure
        const message = `not asked, it rests after: ${failure.message}`
        yield { type: 'attempt_failed', model: skipped.name, failure: { ...failure, message } }
      }
      let hope: { event: Failed; model: Model } | undefined
      for (const [index, model] of order.entries()) {
        const isLast = index === order.length - 1
        let passedOn = false
        for await (const event of model.stream(request, signal)) {
          if (event.type === 'done') resting.delete(model)
          if (event.type === 'failed') {
            rest(model, event.failure)
            passedOn = passesOn(event.failure) && !signal?.aborted
            if (passedOn && (!hope || isSooner(event.failure, hope.event.failure))) hope = { event, model }
            if (isLast && hope?.model === model) passedOn = false
          }
          if (passedOn && event.type === 'failed') {
            yield { type: 'attempt_failed', model: model.name, failure: event.failure }
            if (isLast && hope) yield { ...(options.name === undefined && { model: hope.model.name }), ...hope.event }
          } else if (options.name === undefined && (event.type === 'done' || event.type === 'failed'))
            yield { model: model.name, ...event }
          else yield event
        }
        if (!passedOn) return
      }
    },
  }

  function rest(model: Model, failure: ModelFailure): void {
    const ms = failure.retryAfterMs ?? restMs[failure.code]
    if (ms !== undefined) resting.set(model, { until: now() + ms, failure })
  }

  /** 0 where it may be asked now. */
  function restOf(model: Model): number {
    return Math.max(0, (resting.get(model)?.until ?? 0) - now())
  }
}

type Failed = Extract<ModelEvent, { type: 'failed' }>

/** Whether asking again after `failure` makes sense where it makes none after `other`, or no later; of equals the later one counts. */
function isSooner(failure: ModelFailure, other: ModelFailure): boolean {
  const [mine, its] = [failure, other].map(({ code, retryAfterMs }) =>
    failureCodes[code].again ? (retryAfterMs ?? 0) : Number.POSITIVE_INFINITY,
  )
  return mine! <= its!
}
