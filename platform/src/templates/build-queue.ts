import { WarrenError } from '../errors.ts'
import { inRoom } from '../lib/in-room.ts'
import type { Hold } from '../quotas/held-instances.ts'

export interface BuildQueueDeps {
  /** Takes what a build has from the quota of its organisation. */
  hold: Hold
  /** Ends something idle of an organisation that has processors and memory. False where there is none. */
  giveWay: (accountId: string) => Promise<boolean>
}

/** A build that wants its turn. */
export interface Wanted {
  /** Empty: the platform's own, which has no quota. */
  accountId: string
  cpuCores: number
  memoryMb: number
  /** Told each time when its organisation may not have more yet. */
  onFull: (why: string) => void
}

interface Waiting {
  wanted: Wanted
  begin: (leave: () => Promise<void>) => void
  fail: (error: unknown) => void
}

/** Builds that are worked on at the same time. */
const mostAtOnce = 2
/** Where an organisation may not have more, its builds are looked at again after so long, milliseconds. */
const againMs = 1000

/** Who builds next: in the order in which builds were asked for, but one whose organisation may not have more lets others by. */
export class BuildQueue {
  readonly #deps: BuildQueueDeps
  readonly #waiting: Waiting[] = []
  #working = 0
  #looking = false
  #again = false
  #timer: NodeJS.Timeout | undefined

  constructor(deps: BuildQueueDeps) {
    this.#deps = deps
  }

  /** Resolves when it is its turn, with what ends that. Rejects with the reason of `signal`, and `limit_exceeded` where it never could be. */
  turn(wanted: Wanted, signal: AbortSignal): Promise<() => Promise<void>> {
    const { promise, resolve: begin, reject: fail } = Promise.withResolvers<() => Promise<void>>()
    const waiting = { wanted, begin, fail }
    this.#waiting.push(waiting)
    signal.addEventListener('abort', () => this.#remove(waiting) && fail(signal.reason), { once: true })
    void this.#look()
    return promise
  }

  async #look(): Promise<void> {
    this.#again = true
    if (this.#looking) return
    this.#looking = true
    clearTimeout(this.#timer)
    while (this.#again) {
      this.#again = false
      for (const waiting of [...this.#waiting]) if (this.#working < mostAtOnce) await this.#try(waiting)
    }
    this.#looking = false
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => void this.#look(), againMs).unref()
  }

  async #try(waiting: Waiting): Promise<void> {
    const { wanted, begin, fail } = waiting
    this.#working++
    try {
      const letGo = await this.#hold(wanted)
      const leave = async () => {
        this.#working--
        await letGo()
        void this.#look()
      }
      // It may have been given up meanwhile.
      if (this.#remove(waiting)) begin(leave)
      else await leave()
    } catch (error) {
      this.#working--
      const isFull = error instanceof WarrenError && error.code === 'limit_exceeded'
      if (isFull && !isTooMuch(error, wanted)) wanted.onFull(error.message)
      else if (this.#remove(waiting)) fail(error)
    }
  }

  async #hold({ accountId, cpuCores, memoryMb }: Wanted): Promise<() => Promise<void>> {
    if (accountId === '') return async () => {}
    return inRoom(
      () => this.#deps.hold({ accountId, kind: 'build', cpuCores, memoryMb }),
      () => this.#deps.giveWay(accountId),
    )
  }

  #remove(waiting: Waiting): boolean {
    const place = this.#waiting.indexOf(waiting)
    if (place >= 0) this.#waiting.splice(place, 1)
    return place >= 0
  }
}

/** Whether it is more than there may ever be. */
function isTooMuch({ details }: WarrenError, { cpuCores, memoryMb }: Wanted): boolean {
  const asked: Record<string, number> = { builds: 1, cpuCores, memoryMb }
  return (asked[String(details?.quota)] ?? 0) > Number(details?.limit)
}
