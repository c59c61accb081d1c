import type { SandboxDeps } from './sandboxes.ts'

/** At start: finishes what was being deleted, forgets what was not made in full, removes files that no record owns. */
export async function recoverSnapshots({ snapshots, engine, busy }: SandboxDeps): Promise<void> {
  const files = engine.saved.snapshots
  const recorded = await snapshots.all()
  for (const { id, state } of recorded) {
    if (state === 'ready' || busy.has(id)) continue
    await files.remove(id)
    await snapshots.forget(id)
  }
  const ready = new Set(recorded.filter(({ state }) => state === 'ready').map(({ id }) => id))
  for (const id of await files.list()) if (!ready.has(id) && !busy.has(id)) await files.remove(id)
}
