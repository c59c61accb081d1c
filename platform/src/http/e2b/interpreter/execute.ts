import { once } from 'node:events'
import { WarrenError } from '../../../errors.ts'
import type { LiveSandbox } from '../../../sandboxes/live.ts'
import { clientGone } from '../../client-gone.ts'
import type { Exchange } from '../envd/call.ts'
import { withKeepalive } from '../envd/keepalive.ts'
import { Refusal } from '../refusal.ts'
import { started } from './contexts.ts'
import { languageNamed } from './languages.ts'
import { errorMessage, line, lines } from './lines.ts'

/** A client that hears nothing for so long is told that we are still here, milliseconds. */
const silenceMs = 5_000

interface Asked {
  code: string
  contextId: string
  env: Record<string, string>
}

/** `POST /execute`: runs code and answers with a line of JSON for whatever it prints and shows, until its end. */
export async function execute(
  live: LiveSandbox,
  input: unknown,
  { response }: Exchange,
  isGone: () => Promise<boolean>,
): Promise<void> {
  const { contextId, ...asked } = readAsked(input)
  const gone = clientGone(response)
  const execution = await started(live, contextId, asked, gone)
  response.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  response.flushHeaders()
  const write = async (text: string) => {
    if (!response.write(text)) await once(response, 'drain', { signal: gone })
  }
  try {
    const told = lines(execution.events())
    for await (const text of withKeepalive(told, silenceMs, line({ type: 'keepalive' }))) await write(text)
    const failure = errorMessage(await execution.outcome)
    if (failure) await write(line(failure))
  } catch (error) {
    // A client must see that a sandbox has ended by its connection being cut.
    if (gone.aborted || (await isGone())) return void response.destroy()
    const value = error instanceof WarrenError ? error.message : 'the connection to the interpreter was lost'
    await write(line({ type: 'error', name: 'InterpreterLost', value, traceback: value }))
  }
  response.end(line({ type: 'end_of_execution' }))
}

function readAsked(input: unknown): Asked {
  const { code, context_id, language, env_vars } = (input ?? {}) as Record<string, unknown>
  if (typeof code !== 'string') throw new Refusal(400, '"code" must be a text')
  if (context_id != null && language != null)
    throw new Refusal(400, 'Only one of context_id or language can be provided')
  if (context_id != null && (typeof context_id !== 'string' || !/^[\w-]{1,64}$/.test(context_id)))
    throw new Refusal(404, `Context ${String(context_id).slice(0, 64)} not found`)
  if (language != null && typeof language !== 'string') throw new Refusal(400, '"language" must be a text')
  const contextId = context_id == null ? languageNamed(language ?? 'python') : (context_id as string)
  return { code, contextId, env: readEnvironment(env_vars) }
}

function readEnvironment(given: unknown): Record<string, string> {
  if (given == null) return {}
  const pairs = typeof given === 'object' ? Object.entries(given) : undefined
  const isFine = ([name, value]: [string, unknown]) =>
    /^[^\0=]{1,1024}$/.test(name) && typeof value === 'string' && !value.includes('\0')
  if (!pairs?.every(isFine)) throw new Refusal(400, '"env_vars" must be names and texts')
  return Object.fromEntries(pairs) as Record<string, string>
}
