import type { GuestClient } from '../../engine/guest/client.ts'
import type { GuestWatch } from '../../engine/guest/watch.ts'
import { printableLine } from '../../lib/printable-line.ts'
import type { InSandbox } from './sandbox-tools.ts'

/** What happened in the sandbox of a run while a call was made there. */
export interface Observed {
  /** Connections and questions for names, and what became of them. */
  network?: { entries: Egress[]; more?: number }
  /** In the home: what was made, written, renamed or removed last of each name. */
  files?: { changed: { path: string; what: string }[]; more?: number }
  /** What the call has left running. */
  processes?: { left: number }
  /** Ports that are listened at, and were not before. */
  ports?: number[]
}

interface Egress {
  kind: 'connection' | 'name'
  verdict: 'allowed' | 'refused'
  to: string
  reason?: string
  bytesSent?: number
  bytesReceived?: number
  times?: number
}

const mostShown = 50
const mostChanged = 5000
const mostText = 200
/** Nobody waits longer for what is only told. */
const patienceMs = 1000

/**
 * Looks at what a call does in the sandbox, from what the platform measures anyway. It is told by the guest, but for the network,
 * which the gateway has seen. Never fails and never holds a call up: what cannot be told in time is left out.
 */
export class SandboxObservation {
  readonly #given: InSandbox
  readonly #id: string
  readonly #startedAt = Date.now()
  readonly #changed = new Map<string, string>()
  #guest: GuestClient | undefined
  #before: { processes: number; ports: readonly number[] } | undefined
  #watch: GuestWatch | undefined
  #isFull = false

  private constructor(given: InSandbox, id: string) {
    this.#given = given
    this.#id = id
  }

  static async begin(given: InSandbox, id: string): Promise<SandboxObservation> {
    const observation = new SandboxObservation(given, id)
    await inPatience((signal) => observation.#begin(signal))
    return observation
  }

  async end(): Promise<Observed> {
    const [network, now] = await Promise.all([
      inPatience(() => this.#given.hands.network({ account: this.#given.account, id: this.#id })),
      inPatience(() => this.#look()),
      inPatience(async () => this.#watch?.sync()),
    ])
    this.#watch?.close()
    const since = new Date(this.#startedAt).toISOString()
    const entries = (network?.log ?? []).filter(({ at }) => at >= since).map(egressOf)
    const changed = [...this.#changed].map(([path, what]) => ({ path: printableLine(path, mostText), what }))
    const left = now && this.#before ? now.processes - this.#before.processes : 0
    const ports = now && this.#before ? now.ports.filter((port) => !this.#before!.ports.includes(port)) : []
    return {
      ...(entries.length > 0 && { network: { entries: entries.slice(-mostShown), ...moreThan(entries.length) } }),
      ...(changed.length > 0 && { files: { changed: changed.slice(0, mostShown), ...moreThan(changed.length) } }),
      ...(left > 0 && { processes: { left } }),
      ...(ports.length > 0 && { ports: ports.slice(0, mostShown) }),
    }
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const { hands, account } = this.#given
    this.#guest = (await hands.running({ account, id: this.#id })).guest
    this.#before = await this.#look()
    const watch = await this.#guest.files.watch('.', { recursive: true, refuseNetworkMounts: true }, signal)
    if (signal.aborted) return watch.close()
    this.#watch = watch
    void this.#read(watch).catch(() => {})
  }

  async #read(watch: GuestWatch): Promise<void> {
    for await (const { type, path } of watch) {
      if (this.#changed.size >= mostChanged && !this.#changed.has(path)) this.#isFull = true
      else this.#changed.set(path, type)
      if (this.#isFull) return watch.close()
    }
  }

  async #look() {
    const [{ processes }, ports] = await Promise.all([this.#guest!.metrics(), this.#guest!.ports()])
    return { processes, ports: [...new Set(ports.map(({ port }) => port))] }
  }
}

export function isEmpty(observed: Observed): boolean {
  return Object.keys(observed).length === 0
}

function egressOf({
  kind,
  verdict,
  address,
  port,
  name,
  reason,
  bytesSent,
  bytesReceived,
  times,
}: Omit<Egress, 'to'> & { address?: string; port?: number; name?: string }): Egress {
  const where = [name, address && (port === undefined ? address : `${address}:${port}`)].filter(Boolean).join(' ')
  return {
    kind,
    verdict,
    to: printableLine(where, mostText),
    ...(reason !== undefined && { reason: printableLine(reason, mostText) }),
    ...(bytesSent !== undefined && { bytesSent }),
    ...(bytesReceived !== undefined && { bytesReceived }),
    ...(times !== undefined && { times }),
  }
}

function moreThan(found: number): { more?: number } {
  return found > mostShown ? { more: found - mostShown } : {}
}

/** What it comes to, unless it fails or takes too long. The signal stays with what it has opened. */
async function inPatience<T>(look: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const tooLate = new AbortController()
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => {
    tooLate.abort()
    resolve(undefined)
  }, patienceMs)
  try {
    return await Promise.race([look(tooLate.signal).catch(() => undefined), late])
  } finally {
    clearTimeout(timer)
  }
}
