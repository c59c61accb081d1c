import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Recorder } from '../journal/recorder.ts'
import type { RunSnapshots } from '../run-snapshots.ts'

/** What the tools need of sandboxes. */
export type SandboxHands = Pick<
  Sandboxes,
  'create' | 'execute' | 'running' | 'network' | 'extend' | 'remove' | 'list' | 'snapshots'
>

/** A sandbox that is not used for so long ends by itself; each use gives it that much again, seconds. */
const idleSeconds = 900
const extendEveryMs = 60_000
/** By this label a sandbox is found whose making was not written down any more. */
const label = 'warren.run'
/** A run can go back to so many of its snapshots. */
const mostSnapshots = 10

interface RunSandboxOptions {
  hands: SandboxHands
  snapshots: Pick<RunSnapshots, 'reserve' | 'letGo' | 'keepOnly'>
  account: Account
  runId: string
  recorder: Recorder
  signal: AbortSignal
}

/** The sandbox of one run: made when something first needs it, found again after a crash, gone with the run. */
export class RunSandbox {
  /** Why it reaches no network, where it should. */
  noNetwork: string | undefined
  readonly #given: RunSandboxOptions
  #opening: Promise<string> | undefined
  #extendedAt = 0
  #saving: Promise<void> = Promise.resolve()
  #cannotSave = false

  constructor(given: RunSandboxOptions) {
    this.#given = given
  }

  /** The id of the sandbox, which runs. */
  async id(): Promise<string> {
    await this.#saving
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined
      throw error
    })
    const id = await this.#opening
    if (Date.now() - this.#extendedAt < extendEveryMs) return id
    try {
      const { account, hands } = this.#given
      await hands.extend({ account, id }, idleSeconds)
      this.#extendedAt = Date.now()
      return id
    } catch (error) {
      if (!isGone(error)) throw error
      this.#opening = undefined
      this.#given.recorder.record({
        type: 'snapshot.failed',
        data: { step: this.#given.recorder.state.steps, reason: `the sandbox ${id} is gone, with what was in it` },
      })
      this.#opening = this.#make(undefined)
      return await this.#opening
    }
  }

  /** Saves it as it is now; who uses it next waits for that. */
  checkpoint(step: number): void {
    if (!this.#opening || this.#cannotSave) return
    const { recorder } = this.#given
    this.#saving = this.#saving
      .then(() => this.#save(step))
      .catch((error: Error) => {
        // What this runtime cannot, it cannot next time either.
        this.#cannotSave = true
        recorder.record({ type: 'snapshot.failed', data: { step, reason: error.message } })
      })
  }

  /** Waits until what is being saved is saved. */
  settled(): Promise<void> {
    return this.#saving
  }

  /** At the end of the run. */
  async remove(): Promise<void> {
    const { hands, account, recorder } = this.#given
    await this.#saving
    const id = recorder.state.sandbox
    if (id)
      await hands.remove({ account, id }).catch((error) => {
        if (!isGone(error)) throw error
      })
  }

  async #save(step: number): Promise<void> {
    const { hands, snapshots, account, runId, recorder, signal } = this.#given
    const sandbox = { account, id: await this.#opening! }
    const id = await snapshots.reserve(account.id, runId)
    try {
      await hands.snapshots.create(sandbox, { name: `run ${runId} step ${step}`, id }, signal)
    } catch (error) {
      await snapshots.letGo(runId, [id])
      throw error
    }
    recorder.record({ type: 'snapshot.taken', data: { step, id } })
    const old = recorder.state.snapshots.slice(0, -mostSnapshots)
    // Those before were let go of when it was their turn.
    await snapshots.letGo(
      runId,
      old.slice(-1).map((one) => one.id),
    )
  }

  /** When a process takes the run up: what was saved and is not in its journal, or was rolled back, goes. */
  async keepSnapshots(): Promise<void> {
    const { snapshots, runId, recorder } = this.#given
    const { sandboxFrom, snapshots: taken } = recorder.state
    const kept = taken.slice(-mostSnapshots).map(({ id }) => id)
    await snapshots.keepOnly(runId, sandboxFrom === undefined ? kept : [...kept, sandboxFrom])
  }

  async #open(): Promise<string> {
    const { hands, account, runId, recorder } = this.#given
    const { sandbox, sandboxFrom } = recorder.state
    if (sandbox && (await this.#runs(sandbox))) return sandbox
    if (!sandbox && !sandboxFrom) {
      const { sandboxes } = await hands.list(account, { metadata: { [label]: runId }, state: 'running', limit: 1 })
      if (sandboxes[0]) return await this.#take(sandboxes[0].id, undefined)
    }
    return await this.#make(sandboxFrom)
  }

  async #make(from: string | undefined): Promise<string> {
    const { hands, account, runId, recorder, signal } = this.#given
    const { template, network, memoryMb, diskMb, volumes } = recorder.state.started.spec.sandbox ?? {}
    const limits = { ...(memoryMb && { memoryMb }), ...(diskMb && { diskMb }) }
    const input = {
      timeout: idleSeconds,
      metadata: { [label]: runId },
      ...(from
        ? { snapshot: from }
        : {
            ...(volumes && { volumes }),
            ...(template && { template }),
            ...(Object.keys(limits).length > 0 && { limits }),
          }),
    }
    try {
      const made = await hands.create(account, { ...input, ...(network && { network }) }, signal)
      return await this.#take(made.id, from)
    } catch (error) {
      const wantsNetwork = network?.internet || (network?.allow?.length ?? 0) > 0
      if (!wantsNetwork || signal.aborted || !(error instanceof WarrenError) || !/network/i.test(error.message))
        throw error
      this.noNetwork = error.message
      const closed = { internet: false, allow: [], deny: [] }
      return await this.#take((await hands.create(account, { ...input, network: closed }, signal)).id, from)
    }
  }

  async #take(id: string, from: string | undefined): Promise<string> {
    const { recorder } = this.#given
    recorder.record({ type: 'sandbox.made', data: { id, ...(from && { from }) } })
    await recorder.flush()
    this.#extendedAt = Date.now()
    return id
  }

  async #runs(id: string): Promise<boolean> {
    const { hands, account } = this.#given
    try {
      await hands.extend({ account, id }, idleSeconds)
      this.#extendedAt = Date.now()
      return true
    } catch (error) {
      if (isGone(error)) return false
      throw error
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof WarrenError && (error.code === 'not_found' || error.code === 'conflict')
}
