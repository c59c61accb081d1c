import type { Config } from '../config.ts'

/** What a sandbox looks like that is abused. */
export type Sign = 'cpu' | 'port_scan' | 'fork_storm' | 'egress_burst'

/** What is known of a sandbox at a moment. What was not looked at this time is absent. */
export interface Look {
  atMs: number
  cpuUsedPct: number
  processes: number
  maxProcesses: number
  network?: {
    bytesSent: number
    /** Each address and port that was refused in the last minute, once. */
    refused: number
  }
}

export interface Finding {
  sign: Sign
  /** What was seen, and where the limit is. */
  seen: number
  limit: number
}

/** So much of its processor is all of it. */
const fullPct = 95
/** So many looks in a row it has as many processes as it may. */
const fullLooks = 2

/** What one sandbox showed so far. Each sign is told when it begins, and again only when it had ended. */
export class Signs {
  readonly #limits: Config['abuse']
  readonly #shown = new Set<Sign>()
  #fullSinceMs: number | undefined
  #looksWithAllProcesses = 0
  #sent: { atMs: number; bytes: number } | undefined

  constructor(limits: Config['abuse']) {
    this.#limits = limits
  }

  see(look: Look): Finding[] {
    return [this.#cpu(look), this.#forks(look), this.#scan(look), this.#egress(look)].filter(
      (found) => found !== undefined,
    )
  }

  #cpu({ atMs, cpuUsedPct }: Look): Finding | undefined {
    if (cpuUsedPct < fullPct) this.#fullSinceMs = undefined
    else this.#fullSinceMs ??= atMs
    const minutes = this.#fullSinceMs === undefined ? 0 : (atMs - this.#fullSinceMs) / 60_000
    return this.#tell('cpu', minutes, this.#limits.cpuMinutes)
  }

  #forks({ processes, maxProcesses }: Look): Finding | undefined {
    this.#looksWithAllProcesses = processes >= maxProcesses ? this.#looksWithAllProcesses + 1 : 0
    const isStorm = this.#looksWithAllProcesses >= fullLooks
    return this.#tell('fork_storm', isStorm ? processes : 0, maxProcesses)
  }

  #scan({ network }: Look): Finding | undefined {
    return network && this.#tell('port_scan', network.refused, this.#limits.refusedPerMinute)
  }

  #egress({ atMs, network }: Look): Finding | undefined {
    if (!network) return undefined
    const before = this.#sent
    this.#sent = { atMs, bytes: network.bytesSent }
    if (!before || atMs <= before.atMs) return undefined
    const perMinute = (Math.max(0, network.bytesSent - before.bytes) / 2 ** 20) * (60_000 / (atMs - before.atMs))
    return this.#tell('egress_burst', Math.round(perMinute), this.#limits.egressMbPerMinute)
  }

  #tell(sign: Sign, seen: number, limit: number): Finding | undefined {
    if (limit === 0 || seen < limit) return void this.#shown.delete(sign)
    if (this.#shown.has(sign)) return undefined
    this.#shown.add(sign)
    return { sign, seen: Math.round(seen * 1000) / 1000, limit }
  }
}
