import type { Transport } from './transport.ts'

/** What a sandbox may reach. A policy that is set replaces the one before as a whole. */
export interface NetworkPolicy {
  /** Everything but what is denied and what no sandbox may reach: private ranges, metadata, the host. */
  internet?: boolean | undefined
  /** `93.184.216.0/24`, `example.com`, `*.example.com`, each with or without `:port` or `:first-last`. */
  allow?: string[] | undefined
  /** As `allow`, and `:port` for a port anywhere. Goes before the others. */
  deny?: string[] | undefined
  /** Megabits a second in each direction. */
  bandwidthMbps?: number | undefined
  /** Headers of HTTPS requests that are changed on their way out. A value may have `${warren.secrets.NAME}` in it. */
  rules?: HeaderRule[] | undefined
  /** Names of secrets whose placeholders in headers from inside are filled, for the hosts of the secret. */
  secrets?: string[] | undefined
  /** Tokens that say which sandbox a request comes from, and whom each is for: `${warren.identity.NAME}` in the value of a rule. */
  identity?: Record<string, string> | undefined
  /** A SOCKS 5 proxy by which connections go. */
  proxy?: { address: string; username?: string | undefined; password?: string | undefined } | undefined
}

export interface HeaderRule {
  /** `api.example.com`, or `*.example.com` for every name below it. */
  host: string
  set?: Record<string, string> | undefined
  remove?: string[] | undefined
}

/** A connection or a question for a name, and what became of it. */
export interface NetworkEntry {
  at: string
  kind: 'connection' | 'name'
  verdict: 'allowed' | 'refused'
  address?: string
  port?: number
  name?: string
  reason?: string
  bytesSent?: number
  bytesReceived?: number
  times?: number
}

export interface NetworkReport {
  policy: {
    internet: boolean
    allow: string[]
    deny: string[]
    bandwidthMbps?: number
    /** The names of the headers alone. */
    rules?: { host: string; set: string[]; remove: string[] }[]
    secrets?: string[]
    identity?: Record<string, string>
    proxy?: { address: string; username?: string }
  }
  /** Whether the sandbox has an interface at all. */
  connected: boolean
  counters?: {
    bytesSent: number
    bytesReceived: number
    connections: number
    openConnections: number
    refused: number
    questions: number
  }
  /** The last of them, oldest first. */
  log: NetworkEntry[]
}

/** The way out of one sandbox. */
export class Network {
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, sandboxPath: string) {
    this.#transport = transport
    this.#path = `${sandboxPath}/network`
  }

  get(): Promise<NetworkReport> {
    return this.#transport.json('GET', this.#path)
  }

  /** When it resolves, connections that `policy` does not allow have been cut. */
  set(policy: NetworkPolicy): Promise<NetworkReport> {
    return this.#transport.json('PUT', this.#path, { json: policy })
  }
}
