import { availableParallelism } from 'node:os'
import { newId } from '../lib/id.ts'
import type { Hold } from './driver.ts'
import type { EngineParts } from './engine-parts.ts'
import { orDiskFull } from './host/room.ts'
import { cannot, type Instance } from './instance.ts'
import { type RestoreRequest, restoreInstance } from './restore.ts'
import { saveDraft } from './snapshot.ts'
import type { SnapshotManifest } from './snapshot-manifest.ts'

/** Beside the one that is saved. More would only hold that up, and each takes a little more work in all. */
const madeAhead = Math.max(1, availableParallelism() - 1)

/**
 * Live copies of an instance, one for each request, that all go on from the same moment while it goes on itself. Answers
 * what became of each; of one that failed nothing is left. Steps: save, bring back each, take away what was saved. Where the
 * disk is there before the memory, some copies are made meanwhile, up to the moment in which they begin.
 */
export async function forkInstance(
  parts: EngineParts,
  source: Instance,
  requests: readonly RestoreRequest[],
  signal: AbortSignal,
): Promise<PromiseSettledResult<Instance>[]> {
  const { snapshots } = parts
  const { snapshot } = source.driver.capabilities()
  if (!('keeps' in snapshot) || snapshot.keeps !== 'memory') throw cannot(source.driver, 'snapshot')
  const id = newId('f')
  try {
    const starting: Promise<PromiseSettledResult<Instance>>[] = []
    const begin = (manifest: SnapshotManifest, upTo: number, hold?: Hold) => {
      const saved = { manifest, path: snapshots.draftPath(id) }
      for (const request of requests.slice(starting.length, upTo))
        starting.push(settled(restoreInstance(parts, saved, request, signal, hold)))
    }
    const memory = Promise.withResolvers<void>()
    memory.promise.catch(() => {})
    const hold = { prepared() {}, released: memory.promise }
    const diskIsCopied = (manifest: SnapshotManifest) => begin(manifest, madeAhead, hold)
    const { manifest, goesOn } = await saveDraft(parts, source, { id, diskIsCopied }, signal).catch(async (error) => {
      memory.reject(error)
      await Promise.all(starting)
      throw error
    })
    memory.resolve()
    begin(manifest, requests.length)
    const [goneOn, starts] = await Promise.all([Promise.allSettled([goesOn]), Promise.all(starting)])
    if (goneOn[0].status === 'fulfilled') return starts
    await Promise.all(starts.map((start) => start.status === 'fulfilled' && parts.clear(start.value)))
    throw goneOn[0].reason
  } catch (error) {
    throw orDiskFull(error)
  } finally {
    snapshots.discardSoon(id)
  }
}

async function settled<T>(work: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([work])
  return result
}
