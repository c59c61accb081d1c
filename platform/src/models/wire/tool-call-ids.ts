import { createHash } from 'node:crypto'

/**
 * Makes ids that an API accepts from those another API gave out. The same id becomes the same, so that calls and results
 * still belong together.
 */
export function acceptedId(id: string, accepted: RegExp): string {
  return accepted.test(id) ? id : `call_${createHash('sha256').update(id).digest('hex').slice(0, 24)}`
}
