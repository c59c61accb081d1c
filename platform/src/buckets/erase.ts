import type { BucketDeps } from './buckets.ts'
import type { Unneeded } from './store.ts'

/** As many as are looked up at once. */
const batch = 100

/** Removes a content that nobody needs. Where that fails the row stays, and it is tried again later. */
export async function erase({ store, contents, logger }: BucketDeps, { name, upload }: Unneeded): Promise<boolean> {
  try {
    await contents.remove(name, upload)
    await store.forget(name)
    return true
  } catch (err) {
    logger.warn({ err, content: name }, 'the content of an object could not be removed; it is tried again later')
    return false
  }
}

/** Removes all of them. Stops at the first that cannot be. */
export async function eraseUnneeded(deps: BucketDeps, signal: AbortSignal): Promise<void> {
  for (;;) {
    const found = await deps.store.unneeded(batch)
    for (const one of found) if (signal.aborted || !(await erase(deps, one))) return
    if (found.length < batch) return
  }
}
