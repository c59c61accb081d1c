import type { Driver, Isolation, Limits } from './driver.ts'
import type { Cgroups } from './host/cgroups.ts'
import type { Images } from './images/images.ts'
import type { InstanceStore } from './instance-store.ts'
import type { Network } from './network/network.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import type { VolumeFiles } from './volume-files.ts'
import type { ClaimForecast } from './warm-pools.ts'

/** What the engine is made of. */
export interface EngineDeps {
  /** Folder of everything that lasts. */
  home: string
  store: InstanceStore
  drivers: readonly Driver[]
  cgroups: Cgroups | undefined
  /** The way out of sandboxes, or the reason why there is none here. */
  network: Network | string
  /** The files of templates. */
  images: Images
  /** Least isolation where a request names neither that nor a driver. */
  isolation: Isolation
  pool: { template: string; size: number; limits: Limits }
  /** What will be claimed of other kinds. */
  forecast: (most: number) => ClaimForecast
  parallelStarts: number
  snapshots: SnapshotStore
  /** Of templates: what runs in their sandboxes from the beginning, with its memory. */
  starts: SnapshotStore
  /** Whether sandboxes begin with those. */
  templateStarts: 'saved' | 'anew'
  /** Where the agent's binary with this checksum would be. */
  agent: (sha256: string) => string
  volumes: VolumeFiles
  log: { warn: (details: object, message: string) => void }
}
