import { basename } from 'node:path'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { isAccessible } from '../lib/is-accessible.ts'
import type { Driver, Hold, InstanceSpec, Rootfs, SnapshotSource } from './driver.ts'
import type { EngineParts } from './engine-parts.ts'
import { giveIdentity } from './give-identity.ts'
import { checkRoom } from './host/room.ts'
import { Instance } from './instance.ts'
import type { InstanceRecord } from './instance-store.ts'
import type { NetworkPolicy } from './network/rules.ts'
import { memoryFormat } from './snapshot.ts'
import { refused, type SnapshotManifest } from './snapshot-manifest.ts'

export interface RestoreRequest {
  /** Whoever the instance is for. */
  owner: string
  /** Replaces the environment it was saved with. */
  env?: Record<string, string> | undefined
  /** What it may reach. */
  network: NetworkPolicy
}

/**
 * Starts an instance from a saved state: with what ran, where memory was kept, else with its files. On rejection nothing
 * is left. Throws `invalid_request` with the reason for a state that this host cannot take up. With `hold` it is prepared
 * before its memory is there.
 */
export async function restoreInstance(
  parts: EngineParts,
  saved: { manifest: SnapshotManifest; path: string },
  request: RestoreRequest,
  signal: AbortSignal,
  hold?: Hold,
): Promise<Instance> {
  const { store, home, network } = parts
  const { manifest, path } = saved
  const driver = await parts.driver(manifest.driver)
  const rootfs = await rootfsOf(parts, manifest, driver)
  network.check(driver, request.network)
  await checkRoom(home, manifest.limits)
  const { token, slot, template, limits } = manifest
  const source: SnapshotSource = { path, slot, ...(token === undefined ? {} : { token }) }
  return parts.inTurn(signal, async () => {
    const place = await network.take(driver)
    const spec: InstanceSpec = { id: newId('i'), template, rootfs, limits, slot: store.takeSlot(), ...place }
    const record = { spec, driver: driver.name, createdAt: Date.now() }
    const instance = await start(parts, { record, driver, source, owner: request.owner, hold }, signal)
    parts.watch(instance)
    try {
      const { env } = request
      await Promise.all([giveIdentity(instance.guest, { env, isCopy: true }), network.set(instance, request.network)])
      await network.trust(instance, request.network)
      return instance
    } catch (error) {
      await parts.clear(instance)
      throw error
    }
  })
}

interface Prepared {
  record: InstanceRecord
  driver: Driver
  source: SnapshotSource
  owner: string
  hold: Hold | undefined
}

/** The record is on disk before the driver makes anything. */
async function start(
  parts: EngineParts,
  { record, driver, source, owner, hold }: Prepared,
  signal: AbortSignal,
): Promise<Instance> {
  const { store } = parts
  const { spec } = record
  try {
    const dir = await store.write(record)
    await store.markClaimed(spec.id, { owner, limits: spec.limits })
    return new Instance(spec, driver, await driver.restore!(spec, dir, source, signal, hold))
  } catch (error) {
    await parts.clearRecorded(record, driver)
    throw error
  }
}

async function rootfsOf(parts: EngineParts, manifest: SnapshotManifest, driver: Driver): Promise<Rootfs> {
  const present = await parts.images.rootfs(manifest.template).catch((cause) => {
    throw new WarrenError(
      'invalid_request',
      `the snapshot cannot be used: its template "${manifest.template}" is not here`,
      { cause },
    )
  })
  if (!driver.restore) throw refused(`${driver.name} cannot bring it back`)
  if (basename(present.skeleton) !== manifest.skeleton)
    throw refused(
      `it was made with ${manifest.skeleton} of the template, and this Warren has ${basename(present.skeleton)}`,
    )
  // What the host shows is the host's choice: a manifest names it, and chooses among that.
  const hidden = manifest.readOnly.filter((folder) => !present.readOnly.includes(folder))
  if (hidden.length > 0) throw refused(`it saw ${hidden.join(', ')} of its host, which this one does not show`)
  if (manifest.keeps === 'files') return present

  const runtime = memoryFormat(driver, parts.network.isFor(driver))
  if (runtime !== manifest.runtime)
    throw refused(`its memory was saved by ${manifest.runtime || 'an unknown runtime'}, and here is ${runtime}`)
  const agent = manifest.agent && parts.agent(manifest.agent)
  if (!agent || !(await isAccessible(agent))) throw refused('the guest agent that runs in it is not on this host')
  return { ...present, readOnly: manifest.readOnly, agent }
}
