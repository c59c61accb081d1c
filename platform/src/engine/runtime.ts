import type { DiskLimit, Isolation, SoftLimit } from './driver.ts'
import type { Instance } from './instance.ts'

/** Which runtime a sandbox got, and why no stronger one. */
export interface Runtime {
  driver: string
  isolation: Isolation
  passedOver: { driver: string; reason: string }[]
  disk: DiskLimit
  unenforced: SoftLimit[]
}

export function runtimeOf({ driver, disk, unenforced }: Instance, passedOver: Runtime['passedOver'] = []): Runtime {
  const { name, isolation } = driver
  return { driver: name, isolation, passedOver, disk, unenforced }
}
