import type { VolumeDeps } from './volumes.ts'

/** At start: removes what was not made in full or was being deleted, and files that no record owns. */
export async function recoverVolumes({ store, files, busy }: VolumeDeps): Promise<void> {
  const recorded = await store.all()
  for (const { id, state } of recorded) {
    if (state === 'ready' || busy.has(id)) continue
    await files.remove(id)
    await store.forget(id)
  }
  const ready = new Set(recorded.filter(({ state }) => state === 'ready').map(({ id }) => id))
  for (const id of await files.ids()) if (!ready.has(id) && !busy.has(id)) await files.remove(id)
}
