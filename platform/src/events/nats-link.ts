import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../telemetry/logger.ts'
import { rareWarning } from '../telemetry/rare-warning.ts'

/** A connection that broke is made anew after this, and then ever more rarely, milliseconds. */
const againMs = { first: 100, most: 5_000 }
const connectMs = 2_000
/** A server that is silent for two of these is taken for gone, milliseconds. */
const pingMs = 10_000
const warnEveryMs = 30_000

/** One connection to NATS, made anew for as long as the platform runs. */
export class NatsLink {
  readonly #url: string
  /** Says that events wait. */
  readonly warn: (reason: Error) => void
  readonly #listeners: ((connection: NatsConnection, signal: AbortSignal) => void)[] = []
  #connection: NatsConnection | undefined
  #isOver = false
  #timer: NodeJS.Timeout | undefined
  #tries = 0

  private constructor(url: string, logger: Pick<Logger, 'warn'>) {
    this.#url = url
    const text = 'NATS does not take events at the moment: they wait in the database'
    this.warn = rareWarning(logger, { text, everyMs: warnEveryMs })
  }

  /** Also when NATS is not there yet: it is looked for until it is. */
  static async open({ url, logger }: { url: string; logger: Pick<Logger, 'warn'> }): Promise<NatsLink> {
    const link = new NatsLink(url, logger)
    await link.#connect()
    return link
  }

  /** Undefined while there is none. */
  get connection(): NatsConnection | undefined {
    return this.#connection
  }

  /** Calls `listener` with each connection there is from now on, and with what aborts when it is gone. */
  onUp(listener: (connection: NatsConnection, signal: AbortSignal) => void): void {
    this.#listeners.push(listener)
    if (this.#connection) listener(this.#connection, whileOpen(this.#connection))
  }

  async close(): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#timer)
    await this.#connection?.close()
  }

  async #connect(): Promise<void> {
    // Loaded here: most platforms have no NATS.
    const { connect } = await import('@nats-io/transport-node')
    const options = { name: 'warren', noEcho: true, reconnect: false, timeout: connectMs, pingInterval: pingMs }
    try {
      const connection = await connect({ ...addressOf(this.#url), ...options })
      if (this.#isOver) return void (await connection.close())
      this.#tries = 0
      this.#connection = connection
      void connection.closed().then((error) => this.#lost(error ?? undefined))
      for (const listener of this.#listeners) listener(connection, whileOpen(connection))
    } catch (error) {
      this.#lost(error as Error)
    }
  }

  #lost(error?: Error): void {
    this.#connection = undefined
    if (this.#isOver) return
    this.warn(error ?? new Error('the connection ended'))
    this.#timer = setTimeout(() => void this.#connect(), Math.min(againMs.first * 2 ** this.#tries++, againMs.most))
    this.#timer.unref()
  }
}

function whileOpen(connection: NatsConnection): AbortSignal {
  const gone = new AbortController()
  void connection.closed().then(() => gone.abort())
  return gone.signal
}

/** The client takes no user and password in an address. */
function addressOf(url: string) {
  const servers = url.split(',').map((one) => new URL(one))
  const { username, password } = servers[0]!
  const user = decodeURIComponent(username)
  return {
    servers: servers.map(({ host }) => host),
    ...(servers.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {}),
    ...(password ? { user, pass: decodeURIComponent(password) } : user ? { token: user } : {}),
  }
}
