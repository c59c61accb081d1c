import { newId } from '../lib/id.ts'
import type { EngineParts } from './engine-parts.ts'
import { cannot, type Instance } from './instance.ts'
import { type RestoreRequest, restoreInstance } from './restore.ts'
import { saveDraft } from './snapshot.ts'

/**
 * Live copies of an instance, one for each request, that all go on from the same moment while it goes on itself. Answers
 * what became of each; of one that failed nothing is left. Steps: save, bring back each, take away what was saved.
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
    const manifest = await saveDraft(parts, source, id, signal)
    const saved = { manifest, path: snapshots.draftPath(id) }
    return await Promise.allSettled(requests.map((request) => restoreInstance(parts, saved, request, signal)))
  } finally {
    await snapshots.discard(id)
  }
}
