import { basename } from 'node:path'
import { WarrenError } from '../errors.ts'
import type { CheckpointToken, Driver } from './driver.ts'
import type { EngineParts } from './engine-parts.ts'
import { checkRoomForMemory, orDiskFull } from './host/room.ts'
import { cannot, type Instance } from './instance.ts'
import { type SnapshotManifest, snapshotFormat } from './snapshot-manifest.ts'

/** Saves an instance as snapshot `id` while it goes on. On rejection there is none. Steps: draft, save, commit. */
export async function snapshotInstance(
  parts: EngineParts,
  instance: Instance,
  id: string,
  signal: AbortSignal,
): Promise<SnapshotManifest> {
  const { snapshots } = parts
  try {
    const { manifest, goesOn } = await saveDraft(parts, instance, { id }, signal)
    const [measured] = await Promise.all([snapshots.measure(snapshots.draftPath(id)), goesOn])
    const whole = { ...manifest, parts: measured }
    await snapshots.commit(whole)
    return whole
  } catch (error) {
    await snapshots.discard(id)
    throw orDiskFull(error)
  }
}

/** Names what can go on from memory that was saved: the runtime, and whether it had a network. */
export function memoryFormat(driver: Driver, hasNetwork: boolean): string {
  return `${driver.memoryFormat?.() ?? ''}${hasNetwork ? ', with a network' : ''}`
}

/**
 * Fills the draft of snapshot `id`, whose parts are not listed yet. Everything inside stands still for as long as that
 * takes. `diskIsCopied` is told all of it but the memory, where the driver has that first.
 */
export async function saveDraft(
  { snapshots, home }: EngineParts,
  instance: Instance,
  { id, diskIsCopied }: { id: string; diskIsCopied?: (manifest: SnapshotManifest) => void },
  signal: AbortSignal,
): Promise<{ manifest: SnapshotManifest; goesOn: Promise<void> }> {
  const { spec, driver, limits } = instance
  const promise = driver.capabilities().snapshot
  if ('absent' in promise) throw cannot(driver, 'snapshot')
  if (spec.volumes)
    throw new WarrenError('invalid_request', 'a sandbox with volumes cannot be saved or forked: they are not its own')
  await checkRoomForMemory(home, await instance.usage())
  const path = await snapshots.draft(id)
  const manifestWith = (token?: CheckpointToken): SnapshotManifest => ({
    format: snapshotFormat,
    id,
    driver: driver.name,
    runtime: promise.keeps === 'memory' ? memoryFormat(driver, spec.network !== undefined) : '',
    keeps: promise.keeps,
    ...(token === undefined ? {} : { token }),
    template: spec.template,
    skeleton: basename(spec.rootfs.skeleton),
    readOnly: spec.rootfs.readOnly,
    ...(spec.rootfs.agent ? { agent: basename(spec.rootfs.agent).slice('agent-'.length) } : {}),
    slot: spec.slot,
    limits,
    parts: [],
    createdAt: new Date().toISOString(),
  })
  const copied = diskIsCopied && ((token: CheckpointToken) => diskIsCopied(manifestWith(token)))
  const { token, goesOn } = await instance.snapshot(path, { hold: false, diskIsCopied: copied }, signal)
  return { manifest: manifestWith(token), goesOn }
}
