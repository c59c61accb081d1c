import type { Case } from './case.ts'
import { devices } from './cases/devices.ts'
import { door } from './cases/door.ts'
import { filesApi } from './cases/files-api.ts'
import { files } from './cases/host-files.ts'
import { identity } from './cases/identity.ts'
import { kernelSurface } from './cases/kernel-surface.ts'
import { mounts } from './cases/mounts.ts'
import { neighbours } from './cases/neighbours.ts'
import { network } from './cases/network.ts'
import { processes } from './cases/processes.ts'
import { resources } from './cases/resources.ts'

/** The whole battery. Each case is described in docs/verify.md by its group. */
export const allCases: readonly Case[] = [
  ...kernelSurface,
  ...mounts,
  ...devices,
  ...files,
  ...processes,
  ...identity,
  ...network,
  ...neighbours,
  ...filesApi,
  ...door,
  ...resources,
]
