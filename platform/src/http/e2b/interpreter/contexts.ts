import type { GuestExecution } from '../../../engine/guest/context-execution.ts'
import type { NewContext } from '../../../engine/guest/contexts.ts'
import { WarrenError } from '../../../errors.ts'
import { newId } from '../../../lib/id.ts'
import { hasRoomForLibraries } from '../../../sandboxes/contexts/create.ts'
import type { LiveSandbox } from '../../../sandboxes/live.ts'
import { markVariables } from '../marks.ts'
import { Refusal } from '../refusal.ts'
import { defaultContextOf, languageNamed } from './languages.ts'

export interface ContextView {
  id: string
  language: string
  cwd: string
}

/** Where contexts begin, when nobody says otherwise. */
const home = '/home/user'

/** Loads the libraries before somebody waits for them. What goes wrong shows with the first execution. */
export function prepareContexts({ instance }: LiveSandbox): void {
  void instance.guest.contexts.prepare(hasRoomForLibraries(instance)).catch(() => {})
}

/** All contexts in the order in which they were made, after those that are there before anybody has asked for them. */
export async function listed({ instance }: LiveSandbox): Promise<ContextView[]> {
  const made = (await instance.guest.contexts.list()).map(({ id, language, cwd }) => ({ id, language, cwd }))
  const waiting = ['python', 'javascript'].filter((language) => !made.some(({ id }) => id === language))
  return [...waiting.map((language) => ({ id: language, language, cwd: home })), ...made]
}

export async function created(live: LiveSandbox, input: unknown, signal: AbortSignal): Promise<ContextView> {
  const { language = 'python', cwd = home } = (input ?? {}) as { language?: unknown; cwd?: unknown }
  const [named, folder] = [language ?? 'python', cwd ?? home]
  if (typeof named !== 'string' || typeof folder !== 'string' || folder.includes('\0'))
    throw new Refusal(400, '"language" and "cwd" must be texts')
  const id = newId('c')
  const known = languageNamed(named)
  const made = await create(live, id, newContext(live, known, folder), signal)
  return { id, language: known, cwd: made.cwd }
}

export async function removed({ instance }: LiveSandbox, id: string): Promise<void> {
  await orDefault(id, instance.guest.contexts.remove(id))
}

export async function restarted({ instance }: LiveSandbox, id: string): Promise<void> {
  await orDefault(id, instance.guest.contexts.restart(id))
}

/** Runs code in a context, after what that runs already. One that is there by default is made now. */
export async function started(
  live: LiveSandbox,
  id: string,
  { code, env }: { code: string; env: Record<string, string> },
  signal: AbortSignal,
): Promise<GuestExecution> {
  const { contexts } = live.instance.guest
  const language = defaultContextOf(id)
  const run = () => contexts.execute(id, { code, env: { ...markVariables(live.id), ...env }, queue: true }, signal)
  try {
    return await run()
  } catch (error) {
    if (codeOf(error) !== 'not_found') throw error
    if (!language) throw notFound(id)
    await create(live, id, newContext(live, language, home), signal).catch((cause) => {
      // Somebody else was first.
      if (codeOf(cause) !== 'conflict') throw cause
    })
    return run()
  }
}

/** Throws 500 with the reason where nothing in the sandbox runs the language, as the contract has it. */
async function create({ instance }: LiveSandbox, id: string, input: NewContext, signal: AbortSignal) {
  try {
    return await instance.guest.contexts.create(id, input, signal)
  } catch (error) {
    if (codeOf(error) !== 'unavailable' || !instance.alive) throw error
    throw new Refusal(500, (error as WarrenError).message)
  }
}

function newContext({ instance }: LiveSandbox, language: string, cwd: string): NewContext {
  return { language, cwd, makeCwd: true, preload: hasRoomForLibraries(instance), keep: true }
}

async function orDefault(id: string, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (codeOf(error) !== 'not_found') throw error
    if (!defaultContextOf(id)) throw notFound(id)
  }
}

function notFound(id: string): Refusal {
  return new Refusal(404, `Context ${id.slice(0, 64)} not found`)
}

function codeOf(error: unknown): string | undefined {
  return error instanceof WarrenError ? error.code : undefined
}
