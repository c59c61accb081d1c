import { readdir } from 'node:fs/promises'
import { type Driver, recordName } from './driver.ts'
import { Instance } from './instance.ts'
import { type InstanceRecord, type InstanceStore, keptOfPaused, type PausedRecord } from './instance-store.ts'

/** How long an agent that was being brought back may take to answer, milliseconds. */
const answerWithinMs = 2_000

/**
 * What an earlier process left of an instance that stands still. It is live where that process had brought it back; else it
 * stays paused, and what had not been ended yet is ended: what is recorded was saved whole.
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
  if (!paused.resuming) {
    // It was saved, and was about to end. As pause leaves it there is nothing to look for, which takes a while for each of many.
    if (!(await isSettled(dir.path))) await driver.sweep?.(spec, dir, keptOfPaused)
    return { isPaused: true }
  }
  const { resuming: _, ...settled } = paused
  const instance = await take(keptOfPaused)
  if (!instance) {
    await store.markPaused(spec.id, settled)
    return { isPaused: true }
  }
  if (await instance.answers(answerWithinMs)) {
    await store.clearPaused(spec.id)
    return { instance, isPaused: false }
  }
  await instance.putAway(keptOfPaused)
  await store.markPaused(spec.id, settled)
  return { isPaused: true }
}

async function isSettled(folder: string): Promise<boolean> {
  const kept = [...keptOfPaused, recordName]
  return (await readdir(folder)).every((name) => kept.includes(name))
}
