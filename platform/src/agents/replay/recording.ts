import type { ToolCallPart } from '../../models/message.ts'
import type { ModelEvent } from '../../models/model.ts'
import type { ApprovalAnswer, ApprovalRequest, Entry, Fact, RunEnd, ToolEnded } from '../journal/entry.ts'
import type { Incoming } from '../loop/running.ts'
import type { McpListing } from '../mcp/definition.ts'
import type { CallPlace } from '../tools/prepare-call.ts'
import { effective } from './cut.ts'

export interface Difference {
  at: number
  what: 'prompt' | 'result' | 'end'
  expected: string
  actual: string
}

type Of<T extends Fact['type']> = Extract<Fact, { type: T }>['data']

/** A journal, to be asked what happened. */
export class Recording {
  readonly started: Entry & { type: 'run.started' }
  /** The tools that servers had then. */
  readonly listings = new Map<string, McpListing>()
  /** A question that has failed and one of another conversation may have the same step. */
  readonly #asked = new Map<number, (Of<'model.asked'> & { at: number })[]>()
  readonly #answers = new Map<string, ModelEvent>()
  readonly #results = new Map<string, ToolEnded>()
  readonly #changed: Map<number, string>
  readonly #messages: (Incoming & { steps: number })[] = []
  readonly #approvals: (ApprovalRequest & { answer?: ApprovalAnswer })[] = []
  readonly #end: RunEnd | undefined
  readonly #lastAt: number

  constructor(all: readonly Entry[], changed: readonly { step: number; text: string }[]) {
    const entries = effective(all)
    this.started = entries[0] as Entry & { type: 'run.started' }
    this.#changed = new Map(changed.map(({ step, text }) => [step, text]))
    this.#lastAt = entries.at(-1)!.at
    let steps = 0
    for (const entry of entries) {
      if (entry.type === 'mcp.listed') this.listings.set(entry.data.server, entry.data)
      else if (entry.type === 'model.asked') this.#ask(entry.data, entry.at)
      else if (entry.type === 'model.answered') {
        steps++
        this.#answers.set(placeOf(entry.data), { type: 'done', message: entry.data.message })
      } else if (entry.type === 'model.failed' && entry.data.failure.code !== 'cancelled')
        this.#answers.set(placeOf(entry.data), { type: 'failed', failure: entry.data.failure })
      else if (entry.type === 'tool.ended') this.#results.set(keyOf(entry.data, entry.data.call), entry.data)
      else if (entry.type === 'message.added' && entry.data.id)
        this.#messages.push({ ...entry.data, id: entry.data.id, steps })
      else if (entry.type === 'approval.requested') this.#approvals.push(entry.data)
      else if (entry.type === 'approval.answered') {
        const request = this.#approvals.find(({ id }) => id === entry.data.id)
        if (request) request.answer = entry.data
      } else if (entry.type === 'run.ended') this.#end = entry.data
    }
  }

  /** When the step after `steps` was begun. */
  timeOf(steps: number): number {
    return this.#asked.get(steps + 1)?.at(-1)?.at ?? this.#lastAt
  }

  modelAt(step: number): string | undefined {
    return this.#asked.get(step)?.at(-1)?.model
  }

  answerTo(place: CallPlace): ModelEvent | undefined {
    return this.#answers.get(placeOf(place))
  }

  resultOf(place: CallPlace, call: ToolCallPart): (ToolEnded & { isChanged?: boolean }) | undefined {
    const found = this.#results.get(keyOf(place, call.id))
    const other = this.#changed.get(place.step)
    return found && other !== undefined ? { ...found, text: other, isChanged: true } : found
  }

  messagesAt(steps: number, received: ReadonlySet<string>): Incoming[] {
    return this.#messages.filter((message) => message.steps === steps && !received.has(message.id))
  }

  approvalOf({ kind, thread, step, call }: ApprovalRequest): ApprovalAnswer | undefined {
    return this.#approvals.find(
      (one) => one.kind === kind && one.thread === thread && one.step === step && one.call === call,
    )?.answer
  }

  /** In what an entry of the replay differs from the one recorded then. */
  compare(entry: Entry): Difference | undefined {
    if (entry.type === 'model.asked') {
      const { step, digest, thread } = entry.data
      const all = this.#asked.get(step)
      const then = all?.find((one) => one.thread === thread) ?? all?.at(-1)
      if (!then && this.#end && !unrepeatable.has(this.#end.reason))
        return {
          at: step,
          what: 'end',
          expected: `the end: ${this.#end.reason}`,
          actual: `another question to the model in ${thread}`,
        }
      if (!then || (then.digest === digest && then.thread === thread)) return undefined
      return { at: step, what: 'prompt', expected: `${then.thread} ${then.digest}`, actual: `${thread} ${digest}` }
    }
    if (entry.type !== 'tool.ended') return undefined
    const { step, call, status, text } = entry.data
    const then = this.#results.get(keyOf(entry.data, call))
    if (then && then.status === status && then.text === text) return undefined
    return {
      at: step,
      what: 'result',
      expected: then ? `${then.status}: ${then.text}` : 'no such call',
      actual: `${status}: ${text}`,
    }
  }

  #ask(data: Of<'model.asked'>, at: number): void {
    const others = (this.#asked.get(data.step) ?? []).filter(({ thread }) => thread !== data.thread)
    this.#asked.set(data.step, [...others, { ...data, at }])
  }

  compareEnd(end: RunEnd, steps: number): Difference | undefined {
    const then = this.#end
    if (!then || unrepeatable.has(then.reason)) return undefined
    if (then.reason === end.reason && then.output === end.output) return undefined
    return {
      at: steps,
      what: 'end',
      expected: `${then.reason}: ${then.output ?? ''}`,
      actual: `${end.reason}: ${end.output ?? ''}`,
    }
  }
}

/** Ends that come from outside: from a human, the clock, or what others have used. */
const unrepeatable = new Set(['cancelled', 'deadline', 'token_budget', 'money_budget', 'tools_unavailable'])

function keyOf(place: CallPlace, call: string): string {
  return `${placeOf(place)} ${call}`
}

function placeOf({ thread, step }: CallPlace): string {
  return `${thread} ${step}`
}
