import type { Database } from '../storage/database.ts'
import { type Cursor, lookAtEnd, start } from './outbox.ts'
import type { OpenWire, Wire } from './wire.ts'

/** Where everybody who waits for events waits. The outbox stays the truth; the bus only says when to look. */
export interface EventBus {
  /** Where the outbox ended when it was last looked at. Another object as soon as there is more. */
  readonly end: Cursor
  /** Resolves when `end` is not `since` any more, or `signal` aborts. */
  changed(since: Cursor, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

interface BusOptions {
  db: Pick<Database, 'pool' | 'onTold'>
  openWire: OpenWire
  /** How often the outbox is looked at though nobody told anything, milliseconds; and how often while nobody could. */
  restMs?: number
  blindMs?: number
}

/**
 * What is told within this time is looked at together, and told to the others together, milliseconds. Long enough that
 * those who wait for events do not take the processor from the request that told of one, and what follows on it.
 */
const gatherMs = 15
/** Events that an open transaction holds back are looked at again after this, and then ever more rarely, milliseconds. */
const heldBackMs = { first: 5, most: 500 }

/** One look at the outbox for all that wait in this process, when there is something; else hardly ever. */
export async function openBus(options: BusOptions): Promise<EventBus> {
  const bus = new Bus(options)
  await bus.open()
  return bus
}

class Bus implements EventBus {
  readonly #options: BusOptions
  readonly #waiting = new Set<() => void>()
  #end: Cursor = start
  #wire: Wire | undefined
  #running: Promise<void> | undefined
  #isOver = false
  /** Rises with everything that is heard. */
  #heard = 0
  #wake: (() => void) | undefined
  #telling: NodeJS.Timeout | undefined

  constructor(options: BusOptions) {
    this.#options = options
  }

  get end(): Cursor {
    return this.#end
  }

  async open(): Promise<void> {
    await this.#look()
    this.#options.db.onTold(() => this.#tell())
    this.#wire = await this.#options.openWire(() => this.#hear())
    this.#running = this.#watch()
  }

  changed(since: Cursor, signal: AbortSignal): Promise<void> {
    if (this.#end !== since || signal.aborted) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const done = () => {
      this.#waiting.delete(done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    this.#waiting.add(done)
    signal.addEventListener('abort', done)
    return promise
  }

  async close(): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#telling)
    this.#hear()
    await this.#running
    await this.#wire?.close()
  }

  #hear(): void {
    this.#heard++
    this.#wake?.()
  }

  #tell(): void {
    this.#hear()
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined
      this.#wire?.tell()
    }, gatherMs).unref()
  }

  async #watch(): Promise<void> {
    const { restMs = 5_000, blindMs = 500 } = this.#options
    let heldMs = 0
    while (!this.#isOver) {
      const heard = this.#heard
      // Who waits asks the database too, and tells what is wrong with it.
      const isHeldBack = await this.#look().catch(() => undefined)
      if (isHeldBack) heldMs = Math.min(heldMs * 2 || heldBackMs.first, heldBackMs.most)
      else heldMs = 0
      const isBlind = isHeldBack === undefined || !this.#wire?.isUp()
      if (this.#heard === heard) await this.#rest(isHeldBack ? heldMs : isBlind ? blindMs : restMs)
      if (!this.#isOver) await this.#rest(gatherMs, false)
    }
  }

  /** Answers whether there is more that cannot be read yet. */
  async #look(): Promise<boolean> {
    const { xid, seq, isHeldBack } = await lookAtEnd(this.#options.db)
    if (xid !== this.#end.xid || seq !== this.#end.seq) {
      this.#end = { xid, seq }
      for (const done of [...this.#waiting]) done()
    }
    return isHeldBack
  }

  #rest(ms: number, orHeard = true): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(done, ms).unref()
      this.#wake = orHeard ? done : undefined
    })
  }
}
