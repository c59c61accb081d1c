/** A worker renews what is recorded of it so often, and is not counted on when it did not for so long, milliseconds. */
export const heard = { everyMs: 2_000, forMs: 10_000 }

/** A machine that runs sandboxes for the platform. */
export interface Node {
  id: string
  /** For people. */
  host: string
  /** Where the platform reaches it: the beginning of an address, without a path. */
  address: string
  memoryMb: number
  /** Undefined when it said that it stops. */
  heardAt: Date | undefined
  /** Whether it is counted on. */
  isHeard: boolean
  /** That have a place there now. */
  sandboxes: number
  /** Memory that these may use. */
  promisedMb: number
}

/** What sandboxes may use of a machine. */
export interface Load {
  memoryMb: number
  promisedMb: number
}
