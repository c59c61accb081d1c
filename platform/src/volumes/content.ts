import type { Config } from '../config.ts'
import type { Engine, Instance } from '../engine/engine.ts'
import type { Logger } from '../telemetry/logger.ts'

/** Where a volume is in the sandbox that only serves its content. */
export const contentRoot = '/volume'

/** A sandbox that nobody asked for any more is ended, milliseconds. */
const idleMs = 30_000

interface Opened {
  instance: Promise<Instance>
  users: number
  timer: NodeJS.Timeout | undefined
}

/**
 * The content of volumes for whoever reads and writes it from outside: by a sandbox that has nothing but the volume. What
 * links in the volume lead to is inside that sandbox, whoever made them. It belongs to no account; a later start removes it.
 */
export class VolumeContent {
  readonly #deps: { engine: Engine; config: Pick<Config, 'defaultLimits'>; logger: Logger }
  readonly #opened = new Map<string, Opened>()

  constructor(deps: { engine: Engine; config: Pick<Config, 'defaultLimits'>; logger: Logger }) {
    this.#deps = deps
  }

  /** Lets `work` with a sandbox in which the volume is at `contentRoot`. */
  async use<T>(id: string, work: (instance: Instance) => Promise<T>): Promise<T> {
    const opened = this.#opened.get(id) ?? this.#open(id)
    opened.users++
    clearTimeout(opened.timer)
    try {
      return await work(await opened.instance)
    } finally {
      opened.users--
      if (opened.users === 0) opened.timer = setTimeout(() => void this.close(id), idleMs).unref()
    }
  }

  async close(id: string): Promise<void> {
    const opened = this.#opened.get(id)
    if (!opened) return
    this.#opened.delete(id)
    clearTimeout(opened.timer)
    const instance = await opened.instance.catch(() => undefined)
    if (!instance) return
    await this.#deps.engine
      .stop(instance.id)
      .catch((err) => this.#deps.logger.error({ err, volume: id }, 'the sandbox of a volume could not be ended'))
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#opened.keys()].map((id) => this.close(id)))
  }

  #open(id: string): Opened {
    const { engine, config } = this.#deps
    const request = {
      owner: `volume-${id}`,
      template: 'base',
      limits: config.defaultLimits,
      env: {},
      volumes: [{ id, path: contentRoot }],
    }
    const instance = engine.start(request, AbortSignal.timeout(60_000)).then((started) => started.instance)
    const opened: Opened = { instance, users: 0, timer: undefined }
    this.#opened.set(id, opened)
    const forget = () => {
      if (this.#opened.get(id) === opened) this.#opened.delete(id)
    }
    instance.then((started) => started.onExit(forget), forget)
    return opened
  }
}
