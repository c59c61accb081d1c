import type { AssistantMessage } from '../../models/message.ts'
import type { ModelEvent, ModelRequest, Outcome } from '../../models/model.ts'
import { defaultLimits, type Limits, type Prices } from '../agent.ts'
import { showImages } from '../images/show-images.ts'
import { type Cost, noCost, type RunEnd } from '../journal/entry.ts'
import type { Thread } from '../journal/thread.ts'
import { charsPerToken, tokensOf } from '../memory/count-tokens.ts'
import type { Tool } from '../tools/tool.ts'
import { toolsOf } from '../tools/tools-of.ts'
import { stopOf } from './interruption.ts'
import type { PricedModel, Running, WhichModel } from './running.ts'
import { reasonToStop } from './stop-conditions.ts'

export interface Asking {
  thread: string
  which?: WhichModel
  toolChoice?: ModelRequest['toolChoice']
  tools?: ModelRequest['tools']
}

/**
 * Asks the model of a thread for its next answer and records it. First it is seen whether that may be: budgets, steps, time.
 * Answers with the end of the run where it may not, or where the model failed; undefined when there is an answer, or none since
 * it was interrupted.
 */
export async function askModel(run: Running, asking: Asking): Promise<RunEnd | undefined> {
  const { recorder, pot } = run
  const { state } = recorder
  const { limits = {} } = state.started.spec
  const thread = state.threads.get(asking.thread)!
  const { model, pricesOf } = run.models(asking.which ?? 'main')
  const next = leastCost(thread, pricesOf(model.name))
  const facts = { state, thread, limits, now: run.now(), spent: pot.spent, budget: pot.budget, next }
  const end = reasonToStop(facts)
  if (end) return end
  const reserved = pot.reserve(next)
  try {
    return await ask(run, asking, { model, pricesOf, limits, reserved })
  } finally {
    pot.giveBack(reserved)
  }
}

/** Answers as `askModel` does. */
async function ask(
  run: Running,
  asking: Asking,
  { model, pricesOf, limits, reserved }: PricedModel & { limits: Limits; reserved: Cost },
): Promise<RunEnd | undefined> {
  const { recorder, pot } = run
  const { state } = recorder
  const thread = state.threads.get(asking.thread)!
  const step = state.steps + 1
  const only = thread.tools ? ` ${thread.tools}` : ''
  const digest = `${thread.digest} ${asking.tools ? 'plan' : run.toolsDigest}${only}`
  recorder.record({ type: 'model.asked', data: { thread: asking.thread, step, model: model.name, digest } })
  await recorder.flush()

  const { deadlineSeconds = defaultLimits.deadlineSeconds } = limits
  const leftMs = Math.max(1, state.turn.at + deadlineSeconds * 1000 - run.now())
  const stop = stopOf(run, asking.thread)
  const asked = new AbortController()
  const giveUp = () => asked.abort()
  let isLate = false
  const late = () => {
    isLate = true
    giveUp()
  }
  const timer = setTimeout(late, Math.min(leftMs, 2 ** 31 - 1))
  if (stop.aborted) giveUp()
  else stop.addEventListener('abort', giveUp, { once: true })
  const began = run.now()
  const request: ModelRequest = {
    messages: thread.hasImages ? await showImages(thread.messages, (hash) => run.image(hash)) : thread.messages,
    tools: asking.tools ?? offerOf(toolsOf(run, thread), thread),
    ...(asking.toolChoice && { toolChoice: asking.toolChoice }),
  }
  const failed: { model: string; code: string; message: string }[] = []
  let outcome: Outcome
  try {
    outcome = await listen(run, asking, {
      events: model.stream(request, asked.signal),
      failed,
    })
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', giveUp)
  }
  const ms = run.now() - began
  const { model: name = model.name } = outcome
  const prices = pricesOf(name)

  if (outcome.type === 'done') {
    const usage = costOf(outcome.message, thread, prices)
    pot.take(usage, reserved)
    const data = { thread: asking.thread, step, model: name, message: outcome.message, ms, usage }
    recorder.record({ type: 'model.answered', data: { ...data, ...(failed.length > 0 && { failed }) } })
    return undefined
  }
  // What came before it broke off is to be paid, whether or not the vendor got to say how much it was.
  const usage = outcome.partial ? costOf(outcome.partial, thread, prices) : noCost
  pot.take(usage, reserved)
  const { failure } = outcome
  recorder.record({
    type: 'model.failed',
    data: { thread: asking.thread, step, model: name, failure, ms, usage },
  })
  if (stop.aborted) return undefined
  if (isLate) return { reason: 'deadline', message: `${deadlineSeconds} s are over` }
  return { reason: 'model_failed', message: `${model.name}: ${failure.code}: ${failure.message}` }
}

async function listen(
  run: Running,
  { thread }: Asking,
  { events, failed }: { events: AsyncIterable<ModelEvent>; failed: { model: string; code: string; message: string }[] },
): Promise<Outcome> {
  try {
    for await (const event of events) {
      if (event.type === 'done' || event.type === 'failed') return event
      if (event.type === 'text' || event.type === 'reasoning') run.tell({ thread, type: event.type, text: event.text })
      if (event.type === 'attempt_failed')
        failed.push({ model: event.model, code: event.failure.code, message: event.failure.message })
    }
  } catch (error) {
    // Models promise not to throw; a run must not end without a reason if one does.
    return { type: 'failed', failure: { code: 'malformed', message: `the model broke its promise: ${String(error)}` } }
  }
  return { type: 'failed', failure: { code: 'malformed', message: 'the model ended without an outcome' } }
}

type Offer = NonNullable<ModelRequest['tools']>
const told = new WeakMap<ReadonlyMap<string, unknown>, Offer>()

/** What a model is told of the tools: those that are always there, then those that this conversation has found. */
function offerOf(tools: ReadonlyMap<string, Tool>, { offered }: Thread): Offer {
  let list = told.get(tools)
  if (!list) {
    list = [...tools.values()].filter(({ deferred }) => !deferred).map(definitionOf)
    told.set(tools, list)
  }
  if (offered.length === 0) return list
  return [...list, ...offered.flatMap((name) => (tools.has(name) ? definitionOf(tools.get(name)!) : []))]
}

function definitionOf({ name, description, inputSchema }: Tool): Offer[number] {
  return { name, description, inputSchema }
}

/** What is asked, at the lowest price that it may have. */
function leastCost(thread: Thread, { input = 0, cachedInput = input }: Partial<Prices> = {}): Cost {
  const inputTokens = tokensOf(thread.messages)
  return { ...noCost, inputTokens, usd: (inputTokens * Math.min(input, cachedInput)) / 1_000_000 }
}

/** What the vendor counted, else an estimate that says so. */
function costOf(message: AssistantMessage, thread: Thread, prices: Prices | undefined): Cost {
  const counted = message.usage
  const inputTokens = counted?.inputTokens ?? tokensOf(thread.messages)
  const outputTokens = counted?.outputTokens ?? Math.ceil(JSON.stringify(message.content).length / charsPerToken)
  const cachedInputTokens = counted?.cachedInputTokens ?? 0
  const { input = 0, output = 0, cachedInput = input } = prices ?? {}
  const fresh = Math.max(0, inputTokens - cachedInputTokens)
  const usd = (fresh * input + cachedInputTokens * cachedInput + outputTokens * output) / 1_000_000
  return { inputTokens, outputTokens, cachedInputTokens, usd, ...(!counted && { estimated: true }) }
}
