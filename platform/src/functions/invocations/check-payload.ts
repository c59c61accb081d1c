import { WarrenError } from '../../errors.ts'

/** Throws `too_large`, naming the limit and the value. */
export function checkPayload(payload: Buffer, limit: number): void {
  if (payload.length <= limit) return
  throw new WarrenError('too_large', `the payload has ${payload.length} bytes, over ${limit}`, {
    details: { limit, value: payload.length },
  })
}
