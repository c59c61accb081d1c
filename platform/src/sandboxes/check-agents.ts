import type { Instance } from '../engine/engine.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** An agent gets this long for an answer, milliseconds, and so many chances in a row. */
const patienceMs = 10_000
const chances = 3

const missed = new WeakMap<Instance, number>()

/**
 * Asks every running sandbox for a sign of life. One whose agent says nothing several times in a row has failed: it was
 * starved or stopped from inside, and nobody could reach it any more. Does not wait for the answers.
 */
export function checkAgents(deps: Pick<SandboxDeps, 'live' | 'busy' | 'store' | 'engine' | 'logger'>): void {
  for (const [id, { instance }] of deps.live) {
    check(deps, id, instance).catch((error) =>
      deps.logger.error({ err: error, sandbox: id }, 'a sandbox that does not answer could not be ended'),
    )
  }
}

async function check(deps: Parameters<typeof checkAgents>[0], id: string, instance: Instance): Promise<void> {
  const { live, busy, store, engine, logger } = deps
  const answers = await instance.answers(patienceMs)
  missed.set(instance, answers ? 0 : (missed.get(instance) ?? 0) + 1)
  if (answers || missed.get(instance)! < chances || live.get(id)?.instance !== instance || busy.has(id)) return
  busy.add(id)
  try {
    // Recorded first: the end of the instance then finds nothing left to tell.
    if (!(await store.markFailed(id, 'agent_unresponsive'))) return
    live.delete(id)
    logger.warn({ sandbox: id }, 'sandbox failed: its agent does not answer')
    await engine.stop(instance.id)
  } finally {
    busy.delete(id)
  }
}
