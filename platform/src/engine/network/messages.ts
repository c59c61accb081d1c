import type { Certified } from '../../lib/certificate.ts'
import type { TrafficCounters, TrafficEntry } from './gateway/traffic.ts'
import type { NetworkPolicy } from './rules.ts'

/** What the platform asks of the gateway, one line of JSON each. `slot` is the number of a sandbox's network. */
export type GatewayRequest = { id: number } & (
  | { verb: 'hello' }
  /** Holds for all. What is known of other slots than these is forgotten. */
  | { verb: 'configure'; settings: GatewaySettings; slots: number[] }
  | { verb: 'set'; slot: number; policy: NetworkPolicy }
  | { verb: 'clear'; slot: number }
  | { verb: 'status'; slot: number }
  | { verb: 'counters'; slot?: number }
)

type WithoutId<R> = R extends unknown ? Omit<R, 'id'> : never

/** A request before it has a number. */
export type GatewayQuestion = WithoutId<GatewayRequest>

export interface GatewaySettings {
  /** Ranges of the floor that the operator has opened. */
  opened: string[]
  /** Resolvers to ask; none are those of the host. */
  resolvers: string[]
  /** Addresses of the host that the gateway may not see from where it is. */
  hostAddresses: string[]
  /** Signs what sandboxes are shown in the place of a server whose requests are looked into. */
  authority: Certified
  /** Authorities that servers are checked against beside the usual ones, as PEM; empty for none. */
  authorities: string
}

export interface GatewayStatus {
  counters: TrafficCounters
  log: TrafficEntry[]
}

/** Bytes to and from the outside, in a counter that began with `counter` and is no other's. */
export interface SlotBytes {
  slot: number
  counter: string
  sent: number
  received: number
}

export interface Hello {
  version: string
  pid: number
}

export type GatewayReply = { id: number; answer?: unknown; error?: string }

/** How a sandbox sees its network: the same in every one, so that a snapshot fits wherever it is restored. */
export const inside = { address: '192.0.0.2', gateway: '192.0.0.1', prefix: 30 } as const
/** Where the kernel hands connections to the gateway. */
export const relayPort = 15_001
/** The first of the addresses by which the gateway tells sandboxes apart; a slot's is this and its number. */
export const firstOuterAddress = '198.18.0.0'
/** What this range holds. */
export const mostSlots = 131_070
