import { hash } from 'node:crypto'
import type { Finding } from '../../kernel/hazards/hazard.ts'
import type { Message, ToolCallPart } from '../../models/message.ts'
import { imageParts, type StoredImage } from '../images/image.ts'
import { canonical } from './canonical.ts'
import { type Cost, noCost, type ToolEnded } from './entry.ts'

/** A call of the model that has no result yet. */
export interface OpenCall {
  call: ToolCallPart
  /** Of the entry that made it: after a rollback the same step may make a call of the same id, which is another one. */
  seq: number
  /** Its result is that of a node, which nobody could read the rest of: it is not shortened. */
  isNode?: boolean
  /** Its name and arguments, as one text. Made when it is asked for. */
  key?: string
  /** Set where something was found in it. */
  findings?: Finding[]
  /** Set once it was started: by this process or by one that is gone. */
  started?: { attempt: number; effect: string }
  ended?: ToolEnded
}

/** One conversation with a model. */
export interface Thread {
  messages: Message[]
  /** Over all messages, each hashed once: two threads with the same digest say the same. */
  digest: string
  steps: number
  /** Of the run at its last answer: where its open calls belong, however far other conversations have come since. */
  step: number
  /** Of its answers, and of the runs that it has spawned. */
  cost: Cost
  /** The only tools it has; those of a server by the beginning of their names too. */
  tools?: string[]
  /** Tools that it has found, in the order in which it did. */
  offered: string[]
  /** How often it was made shorter. */
  compactions: number
  /** Calls of the last answer, until all of them have a result. */
  open: Map<string, OpenCall>
  /** What its last steps called and got; what is long as hashes. */
  recent: string[]
  /** Calls in a row that could not be understood. */
  invalidCalls: number
  /** It was refused for its length: it may take so many tokens and no more, whatever its agent says. */
  mostTokens?: number
  /** Some message of it has had an image. */
  hasImages?: boolean
}

/** One in which nothing was said yet. */
export const emptyThread = (): Thread => ({
  messages: [],
  digest: '',
  steps: 0,
  step: 0,
  cost: noCost,
  offered: [],
  compactions: 0,
  open: new Map(),
  recent: [],
  invalidCalls: 0,
})

/** What the names of conversations begin with in which an answer is judged, and what was said summarised. */
export const aside = { judge: 'judge:', summary: 'summary:' } as const

export function cacheKey(open: OpenCall): string {
  open.key ??= `${open.call.name} ${canonical(open.call.arguments)}`
  return open.key
}

/** What people say; what it is about comes first. */
export function said(text: string, images: readonly StoredImage[] | undefined): Message {
  return { role: 'user', content: [...imageParts(images), { type: 'text', text }] }
}

/** Every message of a thread is in its digest. */
export function say(thread: Thread, message: Message): void {
  if (!thread.hasImages && message.content.some(({ type }) => type === 'image')) thread.hasImages = true
  thread.messages.push(message)
  thread.digest = hash('sha256', thread.digest + JSON.stringify(message), 'base64')
}
