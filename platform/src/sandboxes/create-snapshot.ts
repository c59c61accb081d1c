import type { SnapshotManifest } from '../engine/snapshot-manifest.ts'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { runningInstance } from './running.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'
import type { CreateSnapshot, Snapshot } from './snapshot.ts'

/** Saves a running sandbox, which goes on. The snapshot outlives it. On rejection there is none. */
export async function createSnapshot(
  deps: SandboxDeps,
  { account, id: sandboxId }: Subject,
  { name, id = newId('n') }: CreateSnapshot & { id?: string },
  signal: AbortSignal,
): Promise<Snapshot> {
  const instance = await runningInstance(deps, account, sandboxId)
  if (deps.node !== undefined)
    throw new WarrenError('unavailable', `sandbox ${sandboxId} is on a worker, and workers keep no snapshots`, {
      hint: 'It can be forked and paused. One that shall be saved is made with a template of your own, which the platform itself runs.',
    })
  const reserved = { id, accountId: account.id, name, sandboxId, createdAt: deps.now() }
  return recordSnapshot(deps, reserved, () => deps.engine.saved.snapshot(instance.id, reserved.id, signal))
}

/** The record before the first file, and no record without files: `make` makes them or leaves nothing. */
export async function recordSnapshot(
  { engine, snapshots, busy, config, logger }: SandboxDeps,
  reserved: Pick<Snapshot, 'id' | 'accountId' | 'name' | 'sandboxId' | 'createdAt'>,
  make: () => Promise<SnapshotManifest>,
): Promise<Snapshot> {
  const { id } = reserved
  busy.add(id)
  try {
    await snapshots.reserve(reserved, config.quotas)
    const { template, driver, keeps, limits } = await make()
    const sizeBytes = await engine.saved.snapshots.diskBytes(id)
    return await snapshots.markReady(id, { template, driver, keeps, limits, sizeBytes })
  } catch (error) {
    await engine.saved.snapshots.remove(id)
    await snapshots.forget(id).catch((err) => logger.error({ err, snapshot: id }, 'a snapshot was not forgotten'))
    throw error
  } finally {
    busy.delete(id)
  }
}
