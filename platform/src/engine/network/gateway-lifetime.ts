import { setTimeout as sleep } from 'node:timers/promises'
import { type GatewayPlace, GatewayProcess } from './gateway-process.ts'
import type { GatewayQuestion } from './messages.ts'

interface GatewayDeps {
  place: GatewayPlace
  /** Tells a gateway that has just been started or taken up all it must know. */
  configure: (gateway: GatewayProcess) => Promise<void>
  log: { warn: (details: object, message: string) => void }
}

const retryMs = 1000

/**
 * The gateway from the first sandbox on that may reach anything: until then it would take memory for nothing. When it dies,
 * sandboxes reach nothing until the next one has been told all policies.
 */
export class Gateway {
  readonly #deps: GatewayDeps
  #running: Promise<GatewayProcess> | undefined
  #closed = false

  constructor(deps: GatewayDeps) {
    this.#deps = deps
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Takes up the one that an earlier process started, if there is one. */
  async recover(): Promise<void> {
    if (await GatewayProcess.exists(this.#deps.place)) await this.#start()
  }

  /** Starts it if need be. */
  async ask<T>(request: GatewayQuestion): Promise<T> {
    const gateway = await (this.#running ?? this.#start())
    return gateway.ask<T>(request)
  }

  /** Lets go of it; it goes on. */
  async release(): Promise<void> {
    this.#closed = true
    await this.#running?.then(
      (gateway) => gateway.release(),
      () => {},
    )
  }

  async kill(): Promise<void> {
    this.#closed = true
    await this.#running?.then(
      (gateway) => gateway.kill(),
      () => {},
    )
  }

  #start(): Promise<GatewayProcess> {
    const starting = this.#open()
    this.#running = starting
    starting.catch(() => {
      if (this.#running === starting) this.#running = undefined
    })
    return starting
  }

  async #open(): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.open(this.#deps.place)
    await this.#deps.configure(gateway)
    void this.#attend(gateway)
    return gateway
  }

  async #attend(gateway: GatewayProcess): Promise<void> {
    await gateway.closed
    while (!this.#closed) {
      try {
        return void (await this.#start())
      } catch (error) {
        this.#deps.log.warn({ err: error }, 'the gateway of the network could not be started; it is tried again')
        await sleep(retryMs, undefined, { ref: false })
      }
    }
  }
}
