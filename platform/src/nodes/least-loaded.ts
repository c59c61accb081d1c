import type { Load } from './node.ts'

/** The one of whose memory the smallest part is promised, with `memoryMb` more; of equals the first. Undefined of none. */
export function leastLoaded<T extends Load>(candidates: readonly T[], memoryMb: number): T | undefined {
  const share = ({ promisedMb, memoryMb: all }: Load) => (promisedMb + memoryMb) / Math.max(1, all)
  return candidates.reduce<T | undefined>(
    (least, one) => (least && share(least) <= share(one) ? least : one),
    undefined,
  )
}
