import { tracingChannel } from 'node:diagnostics_channel'
import type { Step } from '../lib/step.ts'
import { childOf, currentTrace, isRecorded, type TraceContext, traceStore } from './trace-context.ts'

/** A part of a trace that has ended. */
export interface Span {
  context: TraceContext
  name: string
  /** `server`: what somebody asked of us; `client`: what we asked of somebody; `internal`: what we did. */
  kind: 'server' | 'client' | 'internal'
  /** Unix milliseconds, with their fraction. */
  startedAtMs: number
  endedAtMs: number
  attributes: Record<string, string | number | readonly string[]>
  /** Why, where it failed. */
  failure?: string | undefined
}

type Given = Pick<Span, 'name' | 'kind' | 'attributes'>
type End = (end?: Partial<Pick<Span, 'attributes' | 'failure'>>) => void

let take: ((span: Span) => void) | undefined

export function takesSpans(): boolean {
  return take !== undefined
}

/**
 * From now on `taker` gets the spans of requests, of the steps that they cause (see lib/step.ts) and of what guest agents are
 * asked, until the answered function is called. While nobody takes them they cost nothing.
 */
export function takeSpans(taker: (span: Span) => void): () => void {
  take = taker
  const steps = tracingChannel<TraceContext | undefined, Step & { error?: unknown }>('warren.step')
  const begun = new WeakMap<Step, End>()
  steps.start.bindStore(traceStore, (one) => {
    const parent = currentTrace()
    if (!parent || !isRecorded(parent)) return parent
    const context = childOf(parent)
    begun.set(one, begin(context, { name: one.name, kind: 'internal', attributes: { 'warren.subject': one.subject } }))
    return context
  })
  const over = (one: Step & { error?: unknown }) => begun.get(one)?.({ failure: messageOf(one.error) })
  const listeners = { start() {}, end() {}, asyncStart() {}, asyncEnd: over, error() {} }
  steps.subscribe(listeners)
  return () => {
    steps.unsubscribe(listeners)
    steps.start.unbindStore(traceStore)
    take = undefined
  }
}

/** A span that has ended, as whoever knows when it did has it. */
export function tellSpan(span: Span): void {
  take?.(span)
}

/** A span of this very context; tells it when the answered function is called. */
export function begin(context: TraceContext, given: Given): End {
  const startedAtMs = now()
  return ({ attributes = {}, failure } = {}) => {
    const span = { context, ...given, startedAtMs, endedAtMs: now(), failure }
    take?.({ ...span, attributes: { ...given.attributes, ...attributes } })
  }
}

/** A span within what the caller is doing; undefined where nobody wants to know. */
export function beginPart(given: () => Given): End | undefined {
  const parent = take && currentTrace()
  return parent && isRecorded(parent) ? begin(childOf(parent), given()) : undefined
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

function messageOf(error: unknown): string | undefined {
  return error === undefined ? undefined : error instanceof Error ? error.message : String(error)
}
