import { asText } from '../../engine/guest/browser/devtools.ts'
import type { Page } from '../../engine/guest/browser/page.ts'
import { WarrenError } from '../../errors.ts'

/**
 * What refs of a document begin with. The number after it is the browser's own for a node, the same over every connection; those
 * of another document may have the same numbers.
 */
export function refPrefix({ loaderId }: { loaderId: string }): string {
  return (
    loaderId
      .replaceAll(/[^0-9A-Za-z]/g, '')
      .slice(-4)
      .toLowerCase() || '0'
  )
}

/** An element by its ref, as an object that functions can be called on. Rejects `not_found` when it is not there any more. */
export async function elementOf(page: Page, ref: string): Promise<string> {
  const [prefix, number] = ref.split('-')
  if (prefix !== refPrefix(await page.document())) throw gone(ref)
  const { object } = await page.call('DOM.resolveNode', { backendNodeId: Number(number) }).catch((error) => {
    throw error instanceof WarrenError && error.code === 'conflict' ? gone(ref) : error
  })
  const objectId = asText((object as { objectId?: unknown } | undefined)?.objectId, 200)
  if (!objectId || (await page.callOn(objectId, 'function () { return this.isConnected === true }')) !== true)
    throw gone(ref)
  return objectId
}

function gone(ref: string): WarrenError {
  return new WarrenError('not_found', `there is no element ${ref} in the page`, {
    hint: 'The page has changed. Take a new snapshot.',
  })
}
