import { mkdir, rename, rm } from 'node:fs/promises'
import { step } from '../lib/step.ts'
import type { InstanceSpec } from './driver.ts'
import type { EngineParts } from './engine-parts.ts'
import { checkRoomForMemory, orDiskFull } from './host/room.ts'
import { cannot, type Instance } from './instance.ts'
import { keptOfPaused, type PausedMemory } from './instance-store.ts'

/**
 * Lets an instance stand still. Where the driver can, its memory goes to the disk and nothing of it is left running; else
 * it stays, frozen. With `filesOnly` what runs is given up, and its files stay. On rejection it runs as before. Steps: save,
 * record, end; or record, end; or record, freeze.
 */
export async function pauseInstance(
  parts: EngineParts,
  instance: Instance,
  { filesOnly }: { filesOnly: boolean },
  signal: AbortSignal,
): Promise<PausedMemory> {
  if (filesOnly) return keepFiles(parts, instance)
  const promise = instance.driver.capabilities().pause
  if ('absent' in promise) throw cannot(instance.driver, 'pause')
  return promise.memory === 'saved' ? save(parts, instance, signal) : freeze(parts, instance)
}

async function save(parts: EngineParts, instance: Instance, signal: AbortSignal): Promise<'saved'> {
  const { store, home } = parts
  const { id } = instance
  await checkRoomForMemory(home, await instance.usage())
  const draft = `${store.savedPath(id)}.draft`
  try {
    await step('instance.pause_draft', id, async () => {
      await rm(draft, { recursive: true, force: true })
      await mkdir(draft, { mode: 0o700 })
    })
    const { token } = await instance.snapshot(draft, { hold: true }, signal)
    await step('instance.pause_commit', id, () => rename(draft, store.savedPath(id)))
    await store.markPaused(id, { memory: 'saved', ...(token === undefined ? {} : { token }) })
  } catch (error) {
    // The record first: with it a later start would take what was saved for what is.
    await store.clearPaused(id)
    await instance.resume()
    await step('instance.pause_discard', id, () => rm(draft, { recursive: true, force: true }))
    throw orDiskFull(error)
  }
  await end(parts, instance)
  return 'saved'
}

/** Its environment is the agent's, and would go with it. */
async function keepFiles(parts: EngineParts, instance: Instance): Promise<'none'> {
  const { store } = parts
  const { id, driver, guest } = instance
  if ('absent' in driver.capabilities().snapshot || !driver.restore) throw cannot(driver, 'snapshot')
  const env = await guest.environment()
  if (driver.holdsWritesBack) await guest.flush()
  try {
    await store.markPaused(id, { memory: 'none', env })
  } catch (error) {
    await store.clearPaused(id)
    throw error
  }
  await end(parts, instance)
  return 'none'
}

/** From the record on it is paused, whatever becomes of us. */
async function end(parts: EngineParts, instance: Instance): Promise<void> {
  await instance.putAway(keptOfPaused)
  parts.instances.delete(instance.id)
  await remember(parts, instance, await leaveNetwork(parts, instance.spec))
}

async function freeze(parts: EngineParts, instance: Instance): Promise<'resident'> {
  const { store } = parts
  await store.markPaused(instance.id, { memory: 'resident' })
  try {
    await instance.pause()
  } catch (error) {
    await store.clearPaused(instance.id)
    await instance.resume()
    throw error
  }
  await remember(parts, instance, instance.spec)
  return 'resident'
}

/** One that does not live needs no network; the record goes first. Answers what it is without one. */
export async function leaveNetwork({ store, network }: EngineParts, spec: InstanceSpec): Promise<InstanceSpec> {
  if (!spec.network) return spec
  const { network: _, ...without } = spec
  await store.moveNetwork(spec.id, undefined)
  await network.release(spec)
  return without
}

async function remember(
  { store, paused }: EngineParts,
  { id, limits, driver }: Instance,
  spec: InstanceSpec,
): Promise<void> {
  const record = { spec: { ...spec, limits }, driver: driver.name, createdAt: Date.now() }
  paused.set(id, { record, paused: (await store.paused(id))! })
}
