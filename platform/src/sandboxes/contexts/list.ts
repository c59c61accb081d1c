import type { SandboxDeps, Subject } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'
import type { Context } from './context.ts'

/** The contexts of a sandbox, as the interpreter inside tells them. */
export async function listContexts(deps: SandboxDeps, subject: Subject): Promise<Context[]> {
  const { guest } = await wokenInstance(deps, subject.account, subject.id)
  const found = await guest.contexts.list()
  return found.map(({ id, busy, cwd, startedAt }) => ({
    ...{ id, language: 'python', state: busy ? 'busy' : 'idle', cwd },
    createdAt: new Date(startedAt),
  }))
}
