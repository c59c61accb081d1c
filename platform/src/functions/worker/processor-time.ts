import type { Instance } from '../../engine/engine.ts'
import type { EndedCall } from '../invocations/record.ts'

/**
 * Processor time of one instance, by its control group, divided among its calls: what it used since it was read last goes to
 * those that have ended since, by their length. So the sum is exact, whatever the code inside says. Loading the code is its first call's.
 */
export class ProcessorTime {
  readonly #instance: Instance
  #readUsec = 0
  #counter: string | undefined
  #peakMb: number | undefined
  /** What it used and no call has yet, milliseconds. */
  #leftMs = 0
  #closed = false
  #turn: Promise<void>

  /** Counts from now on: starting the worker is nobody's. */
  constructor(instance: Instance) {
    this.#instance = instance
    this.#turn = this.#read().then(() => {
      this.#leftMs = 0
    })
  }

  /** Gives these calls what was used, in whole milliseconds; what is less waits for the next. */
  async share(calls: readonly EndedCall[]): Promise<void> {
    this.#turn = this.#turn.then(() => this.#read())
    await this.#turn
    const sum = calls.reduce((total, { billedMs }) => total + billedMs, 0)
    const used = this.#leftMs
    let given = 0
    let owed = 0
    for (const call of calls) {
      owed += sum > 0 ? (used * call.billedMs) / sum : 0
      call.cpuMs = Math.floor(owed + 1e-6) - given
      if (this.#peakMb !== undefined) call.peakMb = this.#peakMb
      given += call.cpuMs
    }
    this.#leftMs -= given
  }

  /** Reads for the last time, before its sandbox goes. */
  async close(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#read()).finally(() => (this.#closed = true))
    await this.#turn
  }

  async #read(): Promise<void> {
    if (this.#closed) return
    const usage = await this.#instance.usage().catch(() => undefined)
    if (!usage) return
    const since = usage.cpuCounter === this.#counter ? usage.cpuUsec - this.#readUsec : usage.cpuUsec
    this.#counter = usage.cpuCounter
    this.#readUsec = usage.cpuUsec
    this.#leftMs += Math.max(0, since) / 1000
    this.#peakMb = usage.memoryPeakBytes / 2 ** 20
  }
}

/** Which calls that have ended are of which instance, until they are recorded. */
export class ProcessorTimes {
  readonly #times = new Map<string, ProcessorTime>()

  ended(call: EndedCall, time: ProcessorTime): void {
    this.#times.set(keyOf(call), time)
  }

  /** Each of these has its `cpuMs` after that, where it is known. */
  async share(calls: readonly EndedCall[]): Promise<void> {
    const groups = Map.groupBy(calls, (call) => this.#times.get(keyOf(call)))
    for (const call of calls) this.#times.delete(keyOf(call))
    await Promise.all([...groups].map(([time, some]) => time?.share(some)))
  }
}

function keyOf({ id, attempt }: EndedCall): string {
  return attempt <= 1 ? id : `${id}/${attempt}`
}
