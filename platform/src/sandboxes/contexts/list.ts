import type { SandboxDeps, Subject } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'
import { type Context, contextLanguages } from './context.ts'

/** The contexts of a sandbox, as the service inside tells them, in the order in which they were made. */
export async function listContexts(deps: SandboxDeps, subject: Subject): Promise<Context[]> {
  const { guest } = await wokenInstance(deps, subject.account, subject.id)
  return (await guest.contexts.list()).flatMap(({ id, busy, cwd, startedAt, language: told }) => {
    const language = contextLanguages.find((known) => known === told)
    if (!language) return []
    return [{ id, language, state: busy ? 'busy' : 'idle', cwd, createdAt: new Date(startedAt) }]
  })
}
