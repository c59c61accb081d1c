import type { Inspected } from '../../kernel/hazards/hazard.ts'
import type { NewImage } from '../images/image.ts'
import type { Cost } from '../journal/entry.ts'
import type { Resource } from './resource-locks.ts'
import type { Observed } from './watch-sandbox.ts'

/**
 * What repeating a call does. `read`: nothing. `idempotent`: no more than the first time, by its key. `once`: it must not happen
 * twice, so where nobody knows whether it happened a human is asked.
 */
export type Effect = 'read' | 'idempotent' | 'once'

export interface Tool {
  name: string
  description: string
  /** JSON Schema of the arguments: an object. */
  inputSchema: Record<string, unknown>
  /** What arguments are checked against, where that is not all of the schema: what of it comes from a stranger. */
  checkedSchema?: Record<string, unknown>
  effect: Effect
  /** What a call uses, such as `sandbox`. Those of one answer that use none alone that another uses run at the same time, the others in their order. Default: nothing for `read`, all else in order. */
  resources?: (args: never) => Resource[]
  /** What of a call is code or a path, to be looked through before it is called. */
  inspected?: (args: never) => Inspected[]
  /** What a call leaves that later ones may run: they are looked through with it. */
  leaves?: (args: never) => Inspected[]
  timeoutMs?: number
  /** How often it is tried again after a failure that may pass. */
  retries?: number
  /** The same arguments have the same result, whenever and wherever: replay computes it anew. */
  pure?: boolean
  /** Whether a result may be used again in the same run until something was changed. Default: for what is pure. */
  cacheable?: boolean
  /** It may change the disk of the sandbox. */
  changesDisk?: boolean
  /** A model is told of it only once it was found; it can be called before. */
  deferred?: boolean
  /** Only for conversations that name it. */
  hidden?: boolean
  handler: (context: ToolContext, args: never) => Promise<ToolResult | string>
}

export interface ToolResult {
  text: string
  /** The call was understood and done, and what it answers is a failure: for the model to see. */
  isError?: boolean
  usage?: Cost
  /** For the model to see. */
  images?: NewImage[]
  /** Tools that the conversation has from now on, among those that are deferred. */
  offers?: string[]
}

/** What a handler is given beside its arguments. */
export interface ToolContext {
  runId: string
  /** The same for each attempt at the same call, in this process or the next. */
  idempotencyKey: string
  signal: AbortSignal
  /** Told what happened in the sandbox of the run meanwhile. */
  observed?: (seen: Observed) => void
}

/** A failure with its class. `transient`: trying again may help. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly code: string
  readonly transient: boolean
  /** Whether anything may have happened. */
  readonly happened: boolean

  constructor(
    code: string,
    message: string,
    options: { transient?: boolean; happened?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.transient = options.transient ?? false
    this.happened = options.happened ?? true
  }
}
