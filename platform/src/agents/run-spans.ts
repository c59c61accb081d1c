import { hash } from 'node:crypto'
import type { Span } from '../telemetry/spans.ts'
import type { Entry } from './journal/entry.ts'
import type { Run } from './run.ts'

/** Of one text in a span, characters. */
const mostContent = 8000

interface RunSpansOptions {
  contents: boolean
  providerOf: (model: string) => string
  tell: (span: Span) => void
  startedAt: number
}

/**
 * What happens in a run as spans by the conventions of OpenTelemetry for generative AI. One trace for a run and all that it spawns;
 * its ids are computed from those of the runs, so that whoever carries a run on tells of the same trace. Contents only with `contents`.
 */
export class RunSpans {
  readonly #run: Pick<Run, 'id' | 'rootId' | 'agent'>
  readonly #contents: boolean
  readonly #providerOf: (model: string) => string
  readonly #tell: (span: Span) => void
  readonly #startedAt: number
  readonly #spanId: string
  #spans = 0

  constructor(run: Pick<Run, 'id' | 'rootId' | 'agent'>, { contents, providerOf, tell, startedAt }: RunSpansOptions) {
    this.#run = run
    this.#providerOf = providerOf
    this.#contents = contents
    this.#tell = tell
    this.#startedAt = startedAt
    // One for each time that somebody carries it on: an id of a span must not come twice.
    this.#spanId = idOf(`${run.id} ${startedAt}`, 16)
  }

  take(entry: Entry): void {
    if (entry.type === 'model.answered') {
      const { model, message, usage, ms, thread, step } = entry.data
      this.#part(entry, ms, {
        name: `chat ${model}`,
        kind: 'client',
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': this.#providerOf(model),
          'gen_ai.request.model': model,
          'gen_ai.usage.input_tokens': usage.inputTokens,
          'gen_ai.usage.output_tokens': usage.outputTokens,
          'gen_ai.usage.cache_read.input_tokens': usage.cachedInputTokens,
          'gen_ai.response.finish_reasons': [message.stopReason],
          'warren.thread': unsaid(thread),
          'warren.step': step,
          ...this.#content('gen_ai.output.messages', message.content),
        },
      })
    } else if (entry.type === 'model.failed') {
      const { model, failure, ms, thread, step } = entry.data
      this.#part(entry, ms, {
        name: `chat ${model}`,
        kind: 'client',
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': this.#providerOf(model),
          'gen_ai.request.model': model,
          'error.type': failure.code,
          'warren.thread': unsaid(thread),
          'warren.step': step,
        },
        failure: failure.code,
      })
    } else if (entry.type === 'tool.ended') {
      const { call, ms, status, error, text, thread, step } = entry.data
      // The model has made up its name, and may say anything by it.
      const tool = error === 'unknown_tool' ? 'unknown' : entry.data.tool
      this.#part(entry, ms, {
        name: `execute_tool ${tool}`,
        kind: 'internal',
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': tool,
          ...(isId(call) && { 'gen_ai.tool.call.id': call }),
          'gen_ai.tool.type': 'function',
          'warren.tool.status': status,
          ...(error && { 'error.type': error }),
          'warren.thread': unsaid(thread),
          'warren.step': step,
          ...this.#content('gen_ai.tool.call.result', text),
        },
        failure: status === 'done' ? undefined : (error ?? status),
      })
    } else if (entry.type === 'run.ended') this.#end(entry.at, entry.data.reason)
    else if (entry.type === 'run.waits') this.#end(entry.at, `waits for ${entry.data.for}`)
  }

  /** All that this process did of it, once it ends or waits. */
  #end(at: number, reason: string): void {
    const { id, agent } = this.#run
    this.#tell({
      context: this.#context(this.#spanId, undefined),
      name: `invoke_agent ${agent}`,
      kind: 'internal',
      startedAtMs: this.#startedAt,
      endedAtMs: at,
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.agent.name': agent,
        'gen_ai.conversation.id': id,
        'warren.run.reason': reason,
      },
      failure: undefined,
    })
  }

  #part({ at, seq }: Entry, ms: number, given: Pick<Span, 'name' | 'kind' | 'attributes' | 'failure'>): void {
    const context = this.#context(idOf(`${this.#run.id} ${seq} ${this.#spans++}`, 16), this.#spanId)
    const attributes = { ...given.attributes, 'gen_ai.conversation.id': this.#run.id }
    this.#tell({ ...given, context, attributes, startedAtMs: at - ms, endedAtMs: at })
  }

  #context(spanId: string, parentId: string | undefined): Span['context'] {
    return { traceId: idOf(this.#run.rootId, 32), spanId, ...(parentId && { parentId }), flags: '01' }
  }

  #content(name: string, value: unknown): Record<string, string> {
    if (!this.#contents) return {}
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return { [name]: text.slice(0, mostContent).toWellFormed() }
  }
}

/** Vendors make these, and whoever poses as one could write anything there. */
function isId(call: string): boolean {
  return /^[\w.:|-]{1,128}$/.test(call)
}

/** The name of a conversation. Those of a plan have the id of its step in them, which the model has written. */
function unsaid(thread: string): string {
  return thread.replace(
    /^((?:summary:|judge:)*step:\d+:)(.*)(:\d+)/s,
    (_, before, id, after) => before + idOf(id, 8) + after,
  )
}

/** So many hexadecimal digits that are always the same for a text. */
function idOf(text: string, digits: number): string {
  return hash('sha256', text, 'hex').slice(0, digits)
}
