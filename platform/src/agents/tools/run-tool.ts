import { hash } from 'node:crypto'
import { WarrenError } from '../../errors.ts'
import type { ToolCallPart } from '../../models/message.ts'
import { storedOf } from '../images/image.ts'
import type { ToolEnded, ToolStatus } from '../journal/entry.ts'
import type { OpenCall } from '../journal/thread.ts'
import type { Running } from '../loop/running.ts'
import type { CallPlace } from './prepare-call.ts'
import { mostKeptChars, mostShownChars, shorten } from './shorten.ts'
import { type Tool, type ToolContext, ToolError, type ToolResult } from './tool.ts'

const defaultTimeoutMs = 120_000
const defaultRetries = 2
const retryMs = 250
const mostSecretChars = 16_384
/** A handler that was told to stop has this long to say what it did. */
const graceMs = 2000

type Ran = Pick<
  ToolEnded,
  | 'status'
  | 'text'
  | 'ms'
  | 'attempts'
  | 'error'
  | 'stored'
  | 'storedChars'
  | 'changedDisk'
  | 'usage'
  | 'offers'
  | 'images'
>

interface Attempted {
  tool: Tool
  call: ToolCallPart
  key: string
  stop: AbortSignal
  observed?: ToolContext['observed']
  /** No model reads its result, which is kept as it is. */
  isNode?: boolean | undefined
}

/** The same for each attempt at a call, and for no other. */
export function keyOf(runId: string, { thread, step }: CallPlace, { call, seq }: OpenCall): string {
  return hash('sha256', JSON.stringify([runId, thread, step, call.id, seq]), 'hex').slice(0, 40)
}

/** Calls a tool until it answers, with its time limit and its retries. Never throws: what went wrong is the result. */
export async function runTool(run: Running, given: Attempted): Promise<Ran> {
  const { tool, stop } = given
  const began = run.now()
  const retries = tool.retries ?? (tool.effect === 'once' ? 0 : defaultRetries)
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptCall(run, given)
    const again = outcome.failure && attempt <= retries && mayRepeat(tool, outcome.failure) && !stop.aborted
    if (!again) return { ...(await written(run, given, outcome)), ms: run.now() - began, attempts: attempt }
    await run.sleep(retryMs * 2 ** (attempt - 1), stop).catch(() => {})
  }
}

interface Outcome {
  status: ToolStatus
  text: string
  failure?: ToolError
  usage?: ToolResult['usage']
  offers?: ToolResult['offers']
  images?: ToolResult['images']
}

async function attemptCall(run: Running, { tool, call, key, stop, observed }: Attempted): Promise<Outcome> {
  const timeoutMs = tool.timeoutMs ?? defaultTimeoutMs
  // Most tools are done at once, and nobody asks for the signal.
  let over: AbortController | undefined
  let isOver = false
  let leave = (_error: ToolError) => {}
  let timedOut = false
  let late: NodeJS.Timeout | undefined
  // One that does not listen is left behind: the run goes on without it.
  const giveUp = () => {
    if (isOver) return
    isOver = true
    late = setTimeout(() => leave(new ToolError('timeout', 'it did not stop when it was told to')), graceMs)
    over?.abort()
  }
  const timer = setTimeout(() => {
    timedOut = true
    giveUp()
  }, timeoutMs)
  try {
    if (stop.aborted) giveUp()
    else stop.addEventListener('abort', giveUp, { once: true })
    const context: ToolContext = {
      runId: run.id,
      idempotencyKey: key,
      get signal() {
        over ??= new AbortController()
        if (isOver) over.abort()
        return over.signal
      },
      ...(observed && { observed }),
    }
    const result = await new Promise<ToolResult | string>((resolve, reject) => {
      leave = reject
      tool.handler(context, call.arguments as never).then(resolve, reject)
    })
    const { text, isError, usage, offers, images }: ToolResult = typeof result === 'string' ? { text: result } : result
    const more = { ...(usage && { usage }), ...(offers && { offers }), ...(images && { images }) }
    return { status: isError ? 'failed' : 'done', text: String(text), ...more }
  } catch (error) {
    return failureOf(error, {
      tool,
      timeoutMs,
      timedOut,
      stopped: stop.aborted,
      cancelled: run.signal.aborted,
    })
  } finally {
    clearTimeout(timer)
    clearTimeout(late)
    stop.removeEventListener('abort', giveUp)
  }
}

function failureOf(
  error: unknown,
  {
    tool,
    timeoutMs,
    timedOut,
    stopped,
    cancelled,
  }: { tool: Tool; timeoutMs: number; timedOut: boolean; stopped: boolean; cancelled: boolean },
): Outcome {
  const failure = classify(error)
  const unknown = tool.effect === 'once' && failure.happened
  if (stopped) {
    const what = cancelled ? 'cancelled' : 'interrupted'
    return {
      status: unknown ? 'unknown' : what,
      text: unknown ? `It was ${what}, and it is not known whether it happened.` : `It was ${what}.`,
    }
  }
  if (timedOut) {
    const text = `${tool.name} was not done after ${timeoutMs / 1000} s${unknown ? ', and it is not known whether it happened' : ''}.`
    return { status: unknown ? 'unknown' : 'failed', text, failure: new ToolError('timeout', text) }
  }
  const text = `${tool.name} failed: ${failure.message}`
  return unknown
    ? { status: 'unknown', text: `${text}. It is not known whether it happened.`, failure }
    : { status: 'failed', text, failure }
}

function classify(error: unknown): ToolError {
  if (error instanceof ToolError) return error
  if (error instanceof WarrenError) {
    const transient = ['unavailable', 'timeout', 'limit_exceeded'].includes(error.code)
    const hint = error.hint ? ` ${error.hint}` : ''
    // What is beyond a limit was refused.
    const happened = transient && error.code !== 'limit_exceeded'
    return new ToolError(error.code, `${error.message}.${hint}`, { transient, happened, cause: error })
  }
  return new ToolError('thrown', error instanceof Error ? error.message : String(error), { cause: error })
}

function mayRepeat({ effect }: Tool, { transient, happened, code }: ToolError): boolean {
  return code !== 'timeout' && transient && (effect !== 'once' || !happened)
}

/** Without secrets, and short enough to be read: what is longer is kept whole beside it. */
async function written(
  run: Running,
  { tool, isNode }: Attempted,
  { status, text, failure, usage, offers, images = [] }: Outcome,
): Promise<Omit<Ran, 'ms' | 'attempts'>> {
  // A secret that the end of what is kept goes through is found before it is cut.
  const isCut = text.length > mostKeptChars
  const clean = run.redactor
    .result(isCut ? text.slice(0, mostKeptChars + mostSecretChars) : text)
    .slice(0, mostKeptChars)
  // A program's exit code stands there.
  const end = isCut ? run.redactor.result(text.slice(-mostSecretChars)) : clean
  for (const { hash: key, data } of images) await run.recorder.keep(data, key)
  const base = {
    status,
    ...storedOf(images),
    ...(failure && { error: failure.code }),
    ...(usage && { usage }),
    ...(offers && { offers }),
    ...(tool.changesDisk && { changedDisk: true }),
  }
  if (isNode || clean.length <= mostShownChars) return { ...base, text: clean }
  const stored = await run.recorder.keep(clean)
  return {
    ...base,
    text: shorten(clean, { handle: stored, dropped: isCut ? text.length - mostKeptChars : 0, end }),
    stored,
    storedChars: clean.length,
  }
}
