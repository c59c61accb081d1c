import { setTimeout as delay } from 'node:timers/promises'
import type { AssistantMessage, AssistantPart, Message, StopReason, Usage } from './message.ts'
import { textOf, toolCallsOf } from './message.ts'
import type { Model, ModelEvent, ModelFailure, ModelRequest } from './model.ts'

/** What the model does when it is asked: JSON, so that a script can be a file. */
export interface ScriptStep {
  /** What the request must be; if it is not, the step fails and says what it found. */
  expect?: Expectation
  reasoning?: string
  text?: string
  calls?: { name: string; arguments?: Record<string, unknown>; id?: string }[]
  /** An answer given earlier, verbatim: for replay. */
  message?: AssistantMessage
  /** Fails instead; `failFirst` fails that many times before it answers. */
  failure?: ModelFailure
  failFirst?: ModelFailure[]
  stopReason?: StopReason
  usage?: Usage
  /** Waits before it answers. */
  waitMs?: number
}

export interface Expectation {
  /** The text of the last message contains this. */
  lastText?: string
  /** Some message contains this. */
  anyText?: string
  lastRole?: 'system' | 'user' | 'assistant' | 'tool'
  /** These tools are offered, among others. */
  tools?: string[]
  messages?: number
  /** The results of the last calls, in order; each contains its text. */
  results?: string[]
}

export interface Script {
  name?: string
  steps: (ScriptStep | ((request: ModelRequest) => ScriptStep))[]
  /**
   * By what the model knows which step it is at. `history`: by how many answers the request holds, so that it goes on
   * rightly in another process or in a fork. `calls`: by how often this object was asked.
   */
  position?: 'history' | 'calls'
  /** After the last step it begins again. */
  repeat?: boolean
}

/** The name of one that has no other. A script costs nothing, whatever it says of its tokens. */
export const scriptedName = 'scripted'

/** A model that follows a script: for demonstrations, tests and replay. It costs nothing and always answers the same. */
export function scriptedModel(script: Script): Model {
  const { name = scriptedName, steps, position = 'history' } = script
  const failures = new Map<number, number>()
  let calls = 0

  const nextStep = (request: ModelRequest): { index: number; step: ScriptStep } | undefined => {
    const answers = () => request.messages.filter(({ role }) => role === 'assistant').length
    const index = position === 'calls' ? calls++ : answers()
    const step = steps[script.repeat ? index % steps.length : index]
    return step && { index, step: typeof step === 'function' ? step(request) : step }
  }

  return {
    name,
    async *stream(request, signal) {
      try {
        const next = nextStep(request)
        if (!next) {
          yield failed(`the script has ${steps.length} steps, and another was asked for`)
          return
        }
        const { index, step } = next
        if (step.waitMs) await delay(step.waitMs, undefined, signal ? { signal } : {})
        const attempt = failures.get(index) ?? 0
        const early = step.failFirst?.[attempt]
        if (early) failures.set(index, attempt + 1)
        const wrong = step.expect && mismatch(step.expect, request)
        if (signal?.aborted) yield cancelled
        else if (wrong) yield failed(`step ${index + 1} of the script expects ${wrong}`)
        else if (early ?? step.failure) yield { type: 'failed', failure: (early ?? step.failure)! }
        // One after the other: what is handed on whole is waited for twice each time.
        else for (const event of tell(step.message ?? messageOf(step, { name, index, request }), signal)) yield event
      } catch (error) {
        yield signal?.aborted ? cancelled : failed(`the script is broken: ${String(error)}`)
      }
    },
  }
}

const cancelled: ModelEvent = { type: 'failed', failure: { code: 'cancelled', message: 'the caller gave up' } }

function failed(message: string): ModelEvent {
  return { type: 'failed', failure: { code: 'invalid_request', message } }
}

function* tell(message: AssistantMessage, signal: AbortSignal | undefined): Generator<ModelEvent> {
  for (const [part, said] of message.content.entries()) {
    if (signal?.aborted) return yield cancelled
    if (said.type === 'text' || said.type === 'reasoning') {
      // In pieces, as a model would.
      for (const text of said.text.match(/\S+\s*|\s+/g) ?? []) yield { type: said.type, part, text }
    } else if (said.type === 'tool_call') {
      yield { type: 'tool_call', part, id: said.id, name: said.name }
      yield { type: 'tool_arguments', part, text: said.invalidArguments ?? JSON.stringify(said.arguments) }
    }
  }
  yield signal?.aborted ? cancelled : { type: 'done', message }
}

function messageOf(
  step: ScriptStep,
  { name, index, request }: { name: string; index: number; request: ModelRequest },
): AssistantMessage {
  const calls = (step.calls ?? []).map(
    (call, at): AssistantPart => ({
      type: 'tool_call',
      id: call.id ?? `call_${index + 1}_${at + 1}`,
      name: call.name,
      arguments: call.arguments ?? {},
    }),
  )
  const content: AssistantPart[] = [
    ...(step.reasoning ? [{ type: 'reasoning' as const, text: step.reasoning }] : []),
    ...(step.text ? [{ type: 'text' as const, text: step.text }] : []),
    ...calls,
  ]
  return {
    role: 'assistant',
    content,
    stopReason: step.stopReason ?? (calls.length > 0 ? 'tool_calls' : 'end'),
    usage: step.usage ?? estimate(request, content),
    origin: { model: name },
  }
}

/** A token for every four characters: enough for budgets in demonstrations. */
function estimate(request: ModelRequest, content: AssistantPart[]): Usage {
  const said = charsOf(request.messages)
  const reasoning = content.reduce((sum, part) => sum + (part.type === 'reasoning' ? part.text.length : 0), 0)
  return {
    inputTokens: Math.ceil(said / 4),
    outputTokens: Math.ceil(JSON.stringify(content).length / 4),
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: Math.ceil(reasoning / 4),
  }
}

const known = new WeakMap<readonly Message[], { counted: number; chars: number }>()

/** Of a conversation that grows each message is looked at once. */
function charsOf(messages: readonly Message[]): number {
  const before = known.get(messages)
  const length = before && before.counted <= messages.length ? before : { counted: 0, chars: 0 }
  while (length.counted < messages.length) length.chars += textOf(messages[length.counted++]!).length
  if (length !== before) known.set(messages, length)
  return length.chars
}

/** What the request should be and is not, in words. */
function mismatch(expected: Expectation, request: ModelRequest): string | undefined {
  const last = request.messages.at(-1)
  const lastText = last ? textOf(last) : ''
  const offered = (request.tools ?? []).flatMap((tool) => (tool.type === 'vendor' ? [] : tool.name))
  const absent = expected.tools?.filter((tool) => !offered.includes(tool)) ?? []
  const results = resultsOf(request)
  const wrongResult = expected.results?.findIndex((text, index) => !results[index]?.includes(text)) ?? -1
  if (expected.messages !== undefined && request.messages.length !== expected.messages)
    return `${expected.messages} messages, not ${request.messages.length}`
  if (expected.lastRole && last?.role !== expected.lastRole)
    return `a last message of ${expected.lastRole}, not ${last?.role}`
  if (expected.lastText !== undefined && !lastText.includes(expected.lastText))
    return `"${expected.lastText}" in the last message, which says "${lastText.slice(0, 200)}"`
  if (
    expected.anyText !== undefined &&
    !request.messages.some((message) => textOf(message).includes(expected.anyText!))
  )
    return `"${expected.anyText}" in some message`
  if (absent.length > 0) return `the tools ${absent.join(', ')}, among ${offered.join(', ') || 'none'}`
  if (wrongResult >= 0)
    return `"${expected.results![wrongResult]}" in result ${wrongResult + 1}, which says "${(results[wrongResult] ?? '').slice(0, 200)}"`
  return undefined
}

/** The texts of the results of the last answer's calls. */
function resultsOf({ messages }: ModelRequest): string[] {
  const last = messages.findLast((message) => message.role === 'assistant')
  if (!last) return []
  return toolCallsOf(last).map(({ id }) => {
    const result = messages.findLast((message) => message.role === 'tool' && message.callId === id)
    return result ? textOf(result) : ''
  })
}
