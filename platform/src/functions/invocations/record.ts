import type { AnswerHead, Failure } from './invocation.ts'
import type { InvocationState } from './invocations.ts'

export const triggers = [
  'http',
  'async',
  'cron',
  'queue',
  'storage',
  'event',
  'webhook',
  'destination',
  'function',
] as const
export type Trigger = (typeof triggers)[number]

/** What is known of an attempt that has ended: written to the spool as JSON, then to the database. */
export interface EndedCall {
  id: string
  accountId: string
  functionId: string
  functionName: string
  version: number
  trigger: Trigger
  attempt: number
  /** Unix milliseconds. */
  createdAt: number
  startedAt: number
  endedAt: number
  billedMs: number
  /** Processor time; not known yet when the end is written to the file. */
  cpuMs?: number
  memoryMb: number
  /** What its instance had at most until then, MiB; not known yet when the end is written to the file. */
  peakMb?: number
  cold: boolean
  bytesIn: number
  bytesOut: number
  log: string
  failure?: Failure
  /** Of a call that was queued, base64. */
  result?: string
  /** What its answer begins with, where it is more than JSON. */
  head?: AnswerHead
  /** Set where the call is in the database already, waiting for its end. */
  queued?: {
    /** It is made again then, Unix milliseconds. */
    retryAt?: number
    /** It waits for calls that it made. */
    suspended?: true
    /** The call that made it, which may wait for it. */
    parent?: string
    /** Calls and messages that follow from its end. */
    follow?: Follow
  }
}

/** What a call is in when this attempt has ended. */
export function stateAfter({ queued, failure }: Pick<EndedCall, 'queued' | 'failure'>): InvocationState {
  if (queued?.suspended) return 'suspended'
  if (queued?.retryAt !== undefined) return 'waiting'
  return failure ? 'failed' : 'succeeded'
}

/** What an end leads to: a call of another function, or a message in a queue, with this JSON. */
export type Follow = { accountId: string; callId: string; payload: string } & ({ function: string } | { queue: string })
