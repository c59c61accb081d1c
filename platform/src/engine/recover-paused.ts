import { readdir } from 'node:fs/promises'
import { type Driver, recordName } from './driver.ts'
import { hasLiveKeeper } from './host/keeper.ts'
import { Instance } from './instance.ts'
import { type InstanceRecord, type InstanceStore, keptOfPaused, type PausedRecord } from './instance-store.ts'

/** How long an agent that was being brought back may take to answer, milliseconds. */
const answerWithinMs = 2_000

/**
 * What an earlier process left of an instance that stands still. It is live where that process had not ended it yet (then
 * it goes on as before), or had brought it back; else it stays paused.
 */
export async function recoverPaused(
  { store, driver }: { store: InstanceStore; driver: Driver },
  record: InstanceRecord,
  paused: PausedRecord,
): Promise<{ instance?: Instance; isPaused: boolean }> {
  const { spec } = record
  const dir = store.dir(spec.id)
  const take = async (kept?: readonly string[]) => {
    const inner = await driver.recover(spec, dir, kept)
    return inner && new Instance(spec, driver, inner)
  }
  if (paused.memory === 'resident') {
    const instance = await take()
    await instance?.pause()
    return instance ? { instance, isPaused: true } : { isPaused: false }
  }
  if (!paused.resuming && (await hasLiveKeeper(dir.path))) {
    // What was saved of it grows old the moment it goes on.
    await store.clearPaused(spec.id)
    const instance = await take()
    return instance ? { instance, isPaused: false } : { isPaused: false }
  }
  // As pause leaves it: nothing to look for, which takes a while for each of many.
  if (!paused.resuming && (await isSettled(dir.path))) return { isPaused: true }
  const instance = await take(keptOfPaused)
  if (!instance) {
    const { resuming, ...settled } = paused
    if (resuming) await store.markPaused(spec.id, settled)
    return { isPaused: true }
  }
  if (await instance.answers(answerWithinMs)) {
    await store.clearPaused(spec.id)
    return { instance, isPaused: false }
  }
  await instance.putAway(keptOfPaused)
  const { resuming: _, ...settled } = paused
  await store.markPaused(spec.id, settled)
  return { isPaused: true }
}

async function isSettled(folder: string): Promise<boolean> {
  const kept = [...keptOfPaused, recordName]
  return (await readdir(folder)).every((name) => kept.includes(name))
}
