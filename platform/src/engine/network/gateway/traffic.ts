import type { Socket } from 'node:net'
import { type AddressRange, formatAddress } from '../addresses.ts'
import { decideConnection, decideName } from '../decide.ts'
import type { Outgoing } from '../outgoing.ts'
import type { Rules } from '../rules.ts'
import { Bucket } from './bucket.ts'

/** One line of a sandbox's log: a connection or a question for a name, and what became of it. */
export interface TrafficEntry {
  /** ISO 8601. */
  at: string
  kind: 'connection' | 'name'
  verdict: 'allowed' | 'refused'
  address?: string
  port?: number
  name?: string
  /** Why it was refused. */
  reason?: string
  /** Of a connection that has ended. */
  bytesSent?: number
  bytesReceived?: number
  /** How often the same was refused in a row, if more than once. */
  times?: number
}

export interface TrafficCounters {
  bytesSent: number
  bytesReceived: number
  connections: number
  openConnections: number
  refused: number
  questions: number
}

/** One connection from inside, and what it was joined to outside. */
export interface Connection {
  inside: Socket
  outside?: Socket
  address: number
  port: number
  /** Whom it says it is for, once that is known. */
  name?: string
  entry: TrafficEntry
}

const mostEntries = 200
const mostPins = 4096
/** An address stands for a name at least this long, whatever its time to live: connections follow questions late. */
const leastPinMs = 60_000

/** Everything the gateway knows of one sandbox. */
export class Traffic {
  readonly upload = new Bucket()
  readonly download = new Bucket()
  readonly connections = new Set<Connection>()
  readonly log: TrafficEntry[] = []
  /** When its counters began, milliseconds. */
  readonly since = performance.timeOrigin + performance.now()
  /** Questions that are being answered. */
  asking = 0
  /** Requests under way in HTTP/2, of all connections. */
  streams = 0
  readonly #pins = new Map<number, Map<string, number>>()
  readonly #totals = { bytesSent: 0, bytesReceived: 0, connections: 0, refused: 0, questions: 0 }
  #rules: Rules
  #outgoing: Outgoing | undefined

  constructor(rules: Rules) {
    this.#rules = rules
    this.#limit()
  }

  get rules(): Rules {
    return this.#rules
  }

  /** From now on only `rules` hold: connections that they do not allow are cut at once. */
  setRules(rules: Rules, opened: readonly AddressRange[]): void {
    this.#rules = rules
    this.#limit()
    for (const connection of this.connections) if (!this.#stillAllowed(connection, opened)) cut(connection)
  }

  /** What is done to what goes out. */
  get outgoing(): Outgoing | undefined {
    return this.#outgoing
  }

  /** Holds for requests from now on. With another proxy what went by the one before is cut. */
  setOutgoing(outgoing: Outgoing | undefined): void {
    const before = JSON.stringify(this.#outgoing?.proxy)
    this.#outgoing = outgoing
    if (before !== JSON.stringify(outgoing?.proxy)) this.close()
  }

  /** Cuts everything. */
  close(): void {
    for (const connection of this.connections) cut(connection)
  }

  get counters(): TrafficCounters {
    const live = { bytesSent: 0, bytesReceived: 0 }
    for (const { outside } of this.connections) {
      live.bytesSent += outside?.bytesWritten ?? 0
      live.bytesReceived += outside?.bytesRead ?? 0
    }
    return {
      ...this.#totals,
      bytesSent: this.#totals.bytesSent + live.bytesSent,
      bytesReceived: this.#totals.bytesReceived + live.bytesReceived,
      openConnections: this.connections.size,
    }
  }

  /** The sandbox is told that `name` stands for `address`. */
  pin(address: number, name: string, ttlSeconds: number, now = Date.now()): void {
    const names = this.#pins.get(address) ?? new Map<string, number>()
    names.set(name, now + Math.max(ttlSeconds * 1000, leastPinMs))
    this.#pins.delete(address)
    this.#pins.set(address, names)
    if (names.size > mostPins) names.delete(names.keys().next().value!)
    if (this.#pins.size > mostPins) this.#pins.delete(this.#pins.keys().next().value!)
  }

  /** The names that this address was given for, and still stands for. */
  namesOf(address: number, now = Date.now()): string[] {
    return [...(this.#pins.get(address) ?? [])].filter(([, until]) => until > now).map(([name]) => name)
  }

  /** Begins a connection; until its inner end closes it counts as open. */
  begin(inside: Socket, address: number, port: number): Connection {
    const entry: TrafficEntry = { ...this.#entry('connection'), address: formatAddress(address), port }
    const connection = { inside, address, port, entry }
    this.connections.add(connection)
    inside.once('close', () => this.#end(connection))
    return connection
  }

  /** It may go on, to `outside`. An HTTP connection may have several of those, one after the other. */
  join(connection: Connection, outside: Socket): void {
    if (!connection.outside) {
      this.#totals.connections++
      this.#append(connection.entry)
    } else this.#count(connection)
    connection.outside = outside
    if (connection.name) connection.entry.name = connection.name
  }

  /** It is served by the gateway itself: there is no outside. */
  answeredHere(connection: Connection): void {
    this.#totals.connections++
    if (connection.name) connection.entry.name = connection.name
    this.#append(connection.entry)
  }

  /** It may not, and is cut. */
  refuse(connection: Connection, reason: string): void {
    this.refused({
      ...this.#entry('connection'),
      address: formatAddress(connection.address),
      port: connection.port,
      ...(connection.name ? { name: connection.name } : {}),
      reason,
    })
    cut(connection)
  }

  asked(name: string, reason?: string): void {
    this.#totals.questions++
    if (reason) this.refused({ ...this.#entry('name'), name, reason })
    else this.#append({ ...this.#entry('name'), name })
  }

  refused(entry: TrafficEntry): void {
    this.#totals.refused++
    this.#append({ ...entry, verdict: 'refused' })
  }

  #limit(): void {
    this.upload.bytesPerSecond = this.#rules.bytesPerSecond
    this.download.bytesPerSecond = this.#rules.bytesPerSecond
  }

  #stillAllowed({ address, port, name }: Connection, opened: readonly AddressRange[]): boolean {
    const names = name ? [name] : this.namesOf(address)
    const verdict = decideConnection(this.#rules, { address, port, names }, opened)
    if (!verdict.allowed) return false
    return !verdict.inspect || (name !== undefined && decideName(this.#rules, name, port))
  }

  #end(connection: Connection): void {
    if (!this.connections.delete(connection)) return
    connection.outside?.destroy()
    this.#count(connection)
  }

  #count({ outside, entry }: Connection): void {
    if (!outside) return
    entry.bytesSent = (entry.bytesSent ?? 0) + outside.bytesWritten
    entry.bytesReceived = (entry.bytesReceived ?? 0) + outside.bytesRead
    this.#totals.bytesSent += outside.bytesWritten
    this.#totals.bytesReceived += outside.bytesRead
  }

  #entry(kind: TrafficEntry['kind']): TrafficEntry {
    return { at: new Date().toISOString(), kind, verdict: 'allowed' }
  }

  /** The same refusal again and again takes one line. */
  #append(entry: TrafficEntry): void {
    const last = this.log.at(-1)
    if (last && entry.verdict === 'refused' && keyOf(last) === keyOf(entry)) {
      last.times = (last.times ?? 1) + 1
      last.at = entry.at
      return
    }
    this.log.push(entry)
    if (this.log.length > mostEntries) this.log.shift()
  }
}

function keyOf({ kind, verdict, address, port, name, reason }: TrafficEntry): string {
  return JSON.stringify([kind, verdict, address, port, name, reason])
}

/** Both ends are reset, so that nothing that waits in a buffer is sent any more. */
function cut({ inside, outside }: Connection): void {
  outside?.resetAndDestroy()
  inside.resetAndDestroy()
}
