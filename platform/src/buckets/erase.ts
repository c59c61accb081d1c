import type { BucketDeps } from './buckets.ts'
import type { Unneeded } from './store.ts'

/** As many as are looked up at once. */
const batch = 100
/** Then the store itself is likely to be in trouble. */
const mostFailures = 20

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

/** Removes all of them that can be, unless many cannot. */
export async function eraseUnneeded(deps: BucketDeps, signal: AbortSignal): Promise<void> {
  let failed = 0
  for (;;) {
    const found = await deps.store.unneeded(batch, failed)
    for (const one of found) {
      if (signal.aborted) return
      if (!(await erase(deps, one)) && ++failed >= mostFailures) return
    }
    if (found.length < batch) return
  }
}
