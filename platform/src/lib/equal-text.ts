import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether two texts are the same. Takes the same time wherever they differ: for secrets. */
export function equalText(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
