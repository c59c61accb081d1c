import { newId } from '../../lib/id.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'
import type { Context, CreateContext } from './context.ts'

/** The libraries take some 100 MiB: where there is less to spend, an interpreter without them is better than none. */
const leastMemoryForLibrariesMb = 256

/** Forks an interpreter. The first one of a sandbox waits until there is one to fork from. */
export async function createContext(
  deps: SandboxDeps,
  subject: Subject,
  input: CreateContext,
  signal: AbortSignal,
): Promise<Context> {
  const { guest, limits } = await wokenInstance(deps, subject.account, subject.id)
  const id = newId('c')
  const preload = limits.memoryMb >= leastMemoryForLibrariesMb
  const { cwd } = await guest.contexts.create(id, { cwd: input.cwd, preload }, signal)
  return { id, language: 'python', state: 'idle', cwd, createdAt: deps.now() }
}
