import { WarrenError } from '../errors.ts'
import { Turns } from '../lib/turns.ts'
import { type CaptureOptions, captureLayer } from './capture-layer.ts'
import type { Driver } from './driver.ts'
import type { EngineParts } from './engine-parts.ts'
import { forkInstance } from './fork.ts'
import type { Layer } from './images/layer-store.ts'
import { Instance } from './instance.ts'
import type { InstanceRecord, PausedMemory } from './instance-store.ts'
import type { NetworkPolicy } from './network/rules.ts'
import { pauseInstance } from './pause.ts'
import { recoverPaused } from './recover-paused.ts'
import { type RestoreRequest, restoreInstance } from './restore.ts'
import { resumeInstance } from './resume.ts'
import { type Runtime, runtimeOf } from './runtime.ts'
import { fromSavedStart, keepStarts, saveStart } from './saved-start.ts'
import { snapshotInstance } from './snapshot.ts'
import type { SnapshotManifest } from './snapshot-manifest.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import type { StartRequest } from './start-request.ts'

/** What came of a saved state. */
export interface Started {
  instance: Instance
  runtime: Runtime
}

/** What stands still or is saved: paused instances, snapshots, forks. One verb a line, each in the file named like it. */
export class SavedStates {
  readonly #parts: EngineParts
  /** What changes one instance is done one after the other. */
  readonly #turns = new Turns()

  constructor(parts: EngineParts) {
    this.#parts = parts
  }

  /** The files of snapshots. */
  get snapshots(): SnapshotStore {
    return this.#parts.snapshots
  }

  /** Where the memory of a paused instance is. */
  pausedMemory(id: string): PausedMemory | undefined {
    return this.#parts.paused.get(id)?.paused.memory
  }

  /** Lets an instance stand still; answers where its memory is then. On rejection it goes on. */
  pause(id: string, input: { filesOnly: boolean }, signal: AbortSignal): Promise<PausedMemory> {
    return this.#turns.take(id, () => pauseInstance(this.#parts, this.#alive(id), input, signal))
  }

  /** Lets a paused instance go on. On rejection it is still paused. */
  resume(id: string, policy: NetworkPolicy, signal: AbortSignal): Promise<Instance> {
    return this.#turns.take(id, () => {
      const paused = this.#parts.paused.get(id)
      if (!paused) throw gone(id)
      return resumeInstance(this.#parts, paused, policy, signal)
    })
  }

  /** Live copies of an instance, one for each request, which goes on itself: what became of each. */
  fork(id: string, requests: readonly RestoreRequest[], signal: AbortSignal): Promise<PromiseSettledResult<Started>[]> {
    return this.#turns.take(id, async () => {
      const copies = await forkInstance(this.#parts, this.#alive(id), requests, signal)
      return copies.map((copy) => (copy.status === 'rejected' ? copy : { ...copy, value: started(copy.value) }))
    })
  }

  /** Saves an instance, which goes on, as snapshot `snapshotId`. */
  snapshot(id: string, snapshotId: string, signal: AbortSignal): Promise<SnapshotManifest> {
    return this.#turns.take(id, () => snapshotInstance(this.#parts, this.#alive(id), snapshotId, signal))
  }

  /** Ends an instance and keeps what it has written as a layer. On rejection nothing of it is left. */
  captureLayer(id: string, options: CaptureOptions, signal: AbortSignal): Promise<Layer | undefined> {
    return this.#turns.take(id, () => captureLayer(this.#parts, this.#alive(id), options, signal))
  }

  /** Starts an instance from a snapshot. On rejection nothing is left. */
  async restore(snapshotId: string, request: RestoreRequest, signal: AbortSignal): Promise<Started> {
    const { snapshots } = this.#parts
    const saved = { manifest: await snapshots.read(snapshotId), path: snapshots.path(snapshotId) }
    return started(await restoreInstance(this.#parts, saved, request, signal))
  }

  /** Saves an instance in which what `template` starts with runs. Throws `unavailable` where no memory is saved. */
  saveStart(id: string, template: string, signal: AbortSignal): Promise<void> {
    return this.#turns.take(id, () => saveStart(this.#parts, this.#alive(id), template, signal))
  }

  /** An instance in which what its template starts with runs already, if there is one for this request on this driver. */
  begin(request: StartRequest, driver: Driver, signal: AbortSignal): Promise<Instance | undefined> {
    return fromSavedStart(this.#parts, request, driver, signal)
  }

  /** Removes what was saved of templates that are gone. */
  keepStarts(templates: ReadonlySet<string>): Promise<void> {
    return keepStarts(this.#parts, templates)
  }

  /** Ends an instance, live or not, when nobody is at work on it any more. */
  stop(id: string): Promise<void> {
    return this.#turns.take(id, async () => {
      const instance = this.#parts.instances.get(id)
      if (instance) return this.#parts.discard(instance)
      const paused = this.#parts.paused.get(id)
      if (!paused) return
      await this.#parts.forget(paused.record.spec)
      this.#parts.paused.delete(id)
    })
  }

  /** What an earlier process left of a recorded instance. Undefined when nothing lives of it; then its record is gone unless it is paused. */
  async recover(record: InstanceRecord, driver: Driver): Promise<Instance | undefined> {
    const { store, paused: all } = this.#parts
    const { spec } = record
    await store.removeUnfinished(spec.id)
    const paused = await store.paused(spec.id)
    const { instance, isPaused } = paused
      ? await recoverPaused({ store, driver }, record, paused)
      : { instance: await recoverLive(this.#parts, spec, driver), isPaused: false }
    if (isPaused) all.set(spec.id, { record, paused: (await store.paused(spec.id))! })
    else if (!instance) await this.#parts.forget(spec)
    return instance
  }

  /** Removes what is paused and belongs to nobody. */
  async keepOnly(owned: ReadonlyMap<string, string>): Promise<void> {
    for (const id of this.#parts.paused.keys()) if (!owned.has(id)) await this.stop(id)
  }

  #alive(id: string): Instance {
    const instance = this.#parts.instances.get(id)
    if (!instance) throw gone(id)
    return instance
  }
}

async function recoverLive(
  { store }: EngineParts,
  spec: InstanceRecord['spec'],
  driver: Driver,
): Promise<Instance | undefined> {
  const inner = await driver.recover(spec, store.dir(spec.id))
  return inner && new Instance(spec, driver, inner)
}

function started(instance: Instance): Started {
  return { instance, runtime: runtimeOf(instance) }
}

function gone(id: string): WarrenError {
  return new WarrenError('conflict', `instance ${id} has ended in the meantime`)
}
