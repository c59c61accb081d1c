/**
 * What is counted of use, and in which units. A fact counts towards several of them: a minute of a sandbox is time of a
 * sandbox, processor time, memory and so on. Times of whole things count per interval, at least the plan's minimum.
 */
export const meters = {
  'sandbox.time': { shown: 'hour', size: 3_600_000n },
  'function.time': { shown: 'hour', size: 3_600_000n },
  'agent.time': { shown: 'hour', size: 3_600_000n },
  /** Milliseconds of one processor. */
  cpu: { shown: 'vCPU hour', size: 3_600_000n },
  /** Megabytes (2^20 bytes) times milliseconds. */
  memory: { shown: 'GiB hour', size: 3_686_400_000n },
  /** Of what was charged to control groups, instead of limits. */
  'memory.held': { shown: 'GiB hour', size: 3_686_400_000n },
  disk: { shown: 'GiB hour', size: 3_686_400_000n },
  'network.in': { shown: 'GiB', size: 1_073_741_824n },
  'network.out': { shown: 'GiB', size: 1_073_741_824n },
  gpu: { shown: 'GPU hour', size: 3_600_000n },
  'model.input': { shown: 'million tokens', size: 1_000_000n },
  'model.cached': { shown: 'million tokens', size: 1_000_000n },
  'model.output': { shown: 'million tokens', size: 1_000_000n },
} as const

export type Meter = keyof typeof meters
export const meterNames = Object.keys(meters) as Meter[]

/** How much of each, in the unit it is counted in. */
export type Quantities = Record<Meter, bigint>

export function noQuantities(): Quantities {
  return Object.fromEntries(meterNames.map((meter) => [meter, 0n])) as Quantities
}

/** For people: in the unit that prices are told in, cut after three digits. */
export function showQuantity(meter: Meter, quantity: bigint): string {
  const { size, shown } = meters[meter]
  const thousandths = (quantity * 1000n) / size
  return `${thousandths / 1000n}.${String(thousandths % 1000n).padStart(3, '0')} ${shown}`
}
