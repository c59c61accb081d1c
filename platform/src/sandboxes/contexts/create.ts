import type { Instance } from '../../engine/engine.ts'
import { newId } from '../../lib/id.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'
import type { Context, CreateContext } from './context.ts'

/** The libraries take some 100 MiB: where there is less to spend, an interpreter without them is better than none. */
const leastMemoryForLibrariesMb = 256

/** Starts an interpreter. The first one of a sandbox waits until there is one to fork from. */
export async function createContext(
  deps: SandboxDeps,
  subject: Subject,
  input: CreateContext,
  signal: AbortSignal,
): Promise<Context> {
  const instance = await wokenInstance(deps, subject.account, subject.id)
  const id = newId('c')
  const language = input.language ?? 'python'
  const { cwd } = await instance.guest.contexts.create(
    id,
    { language, cwd: input.cwd, preload: hasRoomForLibraries(instance) },
    signal,
  )
  return { id, language, state: 'idle', cwd, createdAt: deps.now() }
}

export function hasRoomForLibraries({ limits }: Instance): boolean {
  return limits.memoryMb >= leastMemoryForLibrariesMb
}
