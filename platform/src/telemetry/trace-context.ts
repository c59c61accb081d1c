import { AsyncLocalStorage } from 'node:async_hooks'
import { randomHex } from '../lib/random-hex.ts'

/** Where a request stands in a trace that began elsewhere, as W3C Trace Context has it. */
export interface TraceContext {
  /** 32 hexadecimal digits, of the whole trace. */
  traceId: string
  /** 16 hexadecimal digits, of our part. */
  spanId: string
  /** Of which it is a part; none where the trace began here. */
  parentId?: string | undefined
  /** 2 hexadecimal digits; the last bit says whether it is recorded. */
  flags: string
}

/** Where the context is kept; exported for a channel that enters one of its own. */
export const traceStore = new AsyncLocalStorage<TraceContext | undefined>()

/** The context that continues `traceparent`; undefined without one, or where it is not of that form. */
export function continueTrace(traceparent: string | undefined): TraceContext | undefined {
  const [, version, traceId, parentId, flags, more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(traceparent?.trim() ?? '') ?? []
  // Of a later version the first four parts mean the same, and more may follow; ff is no version.
  if (!traceId || !flags || version === 'ff' || (version === '00' && more)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId!)) return undefined
  return { traceId, spanId: newSpanId(), parentId, flags }
}

/** A trace that begins here, and is recorded unless that is not asked for. */
export function newTrace({ recorded = true } = {}): TraceContext {
  const random = randomHex(24)
  return { traceId: random.slice(0, 32), spanId: random.slice(32), flags: recorded ? '01' : '00' }
}

/** A part of that part. */
export function childOf({ traceId, spanId, flags }: TraceContext): TraceContext {
  return { traceId, spanId: newSpanId(), parentId: spanId, flags }
}

export function isRecorded({ flags }: TraceContext): boolean {
  return (Number.parseInt(flags, 16) & 1) === 1
}

/** As a header. */
export function headerOf({ traceId, spanId, flags }: TraceContext): string {
  return `00-${traceId}-${spanId}-${flags}`
}

/** What `work` does, also later and by callbacks, belongs to that context. */
export function inTrace<T>(context: TraceContext, work: () => T): T {
  return traceStore.run(context, work)
}

/** The context in which the caller runs. */
export function currentTrace(): TraceContext | undefined {
  return traceStore.getStore()
}

function newSpanId(): string {
  return randomHex(8)
}
