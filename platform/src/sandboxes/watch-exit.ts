import type { Instance, InstanceExit } from '../engine/engine.ts'
import type { EndReason } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** Marks the sandbox as failed, with the reason, when its instance ends although nobody asked it to. */
export function watchExit(deps: SandboxDeps, id: string, instance: Instance): void {
  instance.onExit((exit) => void onExit(deps, { id, instance }, exit))
}

async function onExit(deps: SandboxDeps, lost: { id: string; instance: Instance }, exit: InstanceExit): Promise<void> {
  const { id, instance } = lost
  if (exit.reason === 'paused') return
  // Whoever ends a sandbox takes it from here first.
  if (exit.reason === 'stopped' && deps.live.get(id)?.instance !== instance) return
  const endReason: EndReason = exit.reason === 'stopped' ? 'killed' : exit.reason
  deps.busy.add(id)
  try {
    // Its network still knows what it sent. Before the record, so that what is told then has all of it.
    if (deps.live.get(id)?.instance === instance) await deps.meter.leaves(id, instance)
    // Fails to match, and changes nothing, when the sandbox is being stopped: then the exit is what was asked for.
    const failed = await deps.store.markFailed(id, endReason)
    if (!failed) return
    deps.live.delete(id)
    deps.logger.warn({ sandbox: id, endReason, exit }, 'sandbox failed')
    await deps.engine.stop(instance.id)
  } catch (error) {
    deps.live.delete(id) // the next sweep finds a running record without an instance and settles it
    deps.logger.error({ err: error, sandbox: id, endReason }, 'failure of a sandbox was not recorded')
  } finally {
    deps.busy.delete(id)
  }
}
