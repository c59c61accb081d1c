import type { Instance } from '../../../engine/engine.ts'
import type { GuestWatch } from '../../../engine/guest/watch.ts'
import { newId } from '../../../lib/id.ts'
import type { LiveSandbox } from '../../../sandboxes/live.ts'
import type { Written } from '../../rpc/message.ts'
import { RpcError } from '../../rpc/rpc-error.ts'
import type { FilesystemEvent } from './filesystem-messages.ts'

type Event = Written<typeof FilesystemEvent>

interface Watcher {
  watch: GuestWatch
  events: Event[]
  failure: unknown
}

const mostWatchers = 200
const mostEvents = 20_000

/** Watches that are asked for their events now and then. They end with their sandbox, and with this process. */
export class Watchers {
  readonly #ofInstance = new WeakMap<Instance, { watchers: Map<string, Watcher>; ended: AbortController }>()

  /** Aborts when the sandbox ends. */
  signalOf(live: LiveSandbox): AbortSignal {
    return this.#of(live).ended.signal
  }

  add(live: LiveSandbox, watch: GuestWatch, events: AsyncIterable<Event>): string {
    const { watchers } = this.#of(live)
    if (watchers.size >= mostWatchers) {
      watch.close()
      throw new RpcError('resource_exhausted', `a sandbox has ${mostWatchers} watchers at most: remove some`)
    }
    const id = newId('w')
    const watcher: Watcher = { watch, events: [], failure: undefined }
    watchers.set(id, watcher)
    void collect(watcher, events)
    return id
  }

  /** What has changed since the last time, up to this call. */
  async take(live: LiveSandbox, id: string): Promise<Event[]> {
    const watcher = this.#find(live, id)
    await watcher.watch.sync()
    if (watcher.failure !== undefined) throw watcher.failure
    return watcher.events.splice(0)
  }

  remove(live: LiveSandbox, id: string): void {
    this.#find(live, id).watch.close()
    this.#of(live).watchers.delete(id)
  }

  #find(live: LiveSandbox, id: string): Watcher {
    const found = this.#of(live).watchers.get(id)
    if (found) return found
    throw new RpcError('not_found', `watcher with id ${id.slice(0, 64)} not found`)
  }

  #of({ instance }: LiveSandbox) {
    let found = this.#ofInstance.get(instance)
    if (!found) {
      const made = { watchers: new Map<string, Watcher>(), ended: new AbortController() }
      instance.onExit(() => {
        made.ended.abort()
        made.watchers.clear()
      })
      this.#ofInstance.set(instance, made)
      found = made
    }
    return found
  }
}

async function collect(watcher: Watcher, events: AsyncIterable<Event>): Promise<void> {
  try {
    for await (const event of events) {
      watcher.events.push(event)
      if (watcher.events.length > mostEvents)
        throw new RpcError('data_loss', `more than ${mostEvents} changes were not taken: the watcher ended`)
    }
  } catch (error) {
    watcher.failure = error
    watcher.events = []
  } finally {
    watcher.watch.close()
  }
}
