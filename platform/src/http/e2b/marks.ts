import type { Sandbox } from '../../sandboxes/sandbox.ts'
import { startedView, type ViewDeps } from './view.ts'

/**
 * What programs look for to learn that they run in a sandbox, and in which one: variables of what clients of E2B start, and
 * files of the same names, which every program finds.
 */
export function markVariables(id: string): Record<string, string> {
  return { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: id }
}

/** The answer about a sandbox that begins or goes on. A copy has marks of its own, and what boots again has lost its /run. */
export async function markedView(deps: ViewDeps, sandbox: Sandbox): Promise<object> {
  const view = await startedView(deps, sandbox)
  const files = deps.live(sandbox.id)?.instance.guest.files
  const marks = { ...markVariables(sandbox.id), E2B_TEMPLATE_ID: view.templateID }
  const writes = Object.entries(marks).map(([name, value]) =>
    files?.write(`/run/e2b/.${name}`, Buffer.from(value), { asAgent: true, parents: true }),
  )
  // One whose disk is full, or that has no folder /run, is of use without them.
  await Promise.allSettled(writes)
  return view
}
