import type { Driver, InstanceSpec } from './driver.ts'
import type { EngineDeps } from './engine-deps.ts'
import type { Images } from './images/images.ts'
import type { Instance } from './instance.ts'
import type { InstanceNetwork } from './instance-network.ts'
import type { InstanceRecord, InstanceStore, PausedRecord } from './instance-store.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** What the verbs of the engine work on together. */
export interface EngineParts {
  /** Folder of everything that lasts. */
  home: string
  store: InstanceStore
  snapshots: SnapshotStore
  starts: SnapshotStore
  /** Whether instances begin with those. */
  templateStarts: EngineDeps['templateStarts']
  network: InstanceNetwork
  instances: Map<string, Instance>
  /** Those that stand still; `resident` ones are among the instances too. */
  paused: Map<string, { record: InstanceRecord; paused: PausedRecord }>
  /** The healthy driver of this name. Throws `unavailable` with the reason where there is none. */
  driver(name: string): Promise<Driver>
  images: Images
  log: EngineDeps['log']
  /** Where the agent's binary with this checksum would be. */
  agent(sha256: string): string
  /** From now on an end that nobody asked for is cleared up after. */
  watch(instance: Instance): void
  /** Ends it and removes all of it. */
  discard(instance: Instance): Promise<void>
  /** As `discard`, but what fails is tried again in the background. */
  clear(instance: Instance): Promise<void>
  /** Removes what a failed start left, and the record last. What fails is tried again in the background. */
  clearRecorded(record: InstanceRecord, driver: Driver): Promise<void>
  /** Nothing of it is left: its record goes, and what the record names is free for others. */
  forget(spec: InstanceSpec): Promise<void>
  /** Waits for a place among those that are starting. */
  inTurn<T>(signal: AbortSignal, start: () => Promise<T>): Promise<T>
}
