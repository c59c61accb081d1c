import type { Usage } from '../engine/driver.ts'
import type { Instance } from '../engine/engine.ts'

const mebibyte = 1024 * 1024

/** What a sandbox uses at a moment. What the host cannot measure is 0. */
export interface Measurement {
  at: Date
  cpuCount: number
  cpuUsedPct: number
  memUsed: number
  memTotal: number
  memCache: number
  diskUsed: number
  diskTotal: number
}

/** As it was measured just now. */
export interface FreshMeasurement extends Measurement {
  usage: Usage | undefined
}

/** The measurement before, for what is a difference over time. */
const before = new WeakMap<Instance, { atMs: number; cpuUsec: number; pct: number }>()
/** Over a shorter time than this the share of the processor is that of the measurement before. */
const shortestMs = 250

const disks = new WeakMap<Instance, number>()

/** With `diskAsBefore` the disk is not looked at again if it was once: that is asked of the agent inside. */
export async function measure(instance: Instance, { diskAsBefore = false } = {}): Promise<FreshMeasurement> {
  const known = diskAsBefore ? disks.get(instance) : undefined
  const [usage, diskUsed] = await Promise.all([instance.usage(), known ?? diskOf(instance)])
  const sample = measured(instance, {
    at: new Date(),
    cpuUsedPct: share(instance, usage?.cpuUsec ?? 0, instance.limits.cpuCores),
    memUsed: usage?.memoryBytes ?? 0,
    diskUsed,
  })
  return { ...sample, usage }
}

/** What was measured, with what the instance may use. */
export function measured(
  { limits: { cpuCores, memoryMb, diskMb } }: Pick<Instance, 'limits'>,
  sample: Pick<Measurement, 'at' | 'cpuUsedPct' | 'memUsed' | 'diskUsed'>,
): Measurement {
  return {
    ...sample,
    cpuCount: Math.max(1, Math.round(cpuCores)),
    memTotal: memoryMb * mebibyte,
    memCache: 0,
    diskTotal: diskMb * mebibyte,
  }
}

/** Without a disk of its own the sandbox sees the host's. */
async function diskOf(instance: Instance): Promise<number> {
  const used = instance.disk === 'none' ? 0 : (await instance.guest.metrics()).diskUsedBytes
  disks.set(instance, used)
  return used
}

function share(instance: Instance, cpuUsec: number, cores: number): number {
  const atMs = performance.now()
  const last = before.get(instance)
  if (last && atMs - last.atMs < shortestMs) return last.pct
  const pct = last ? (100 * (cpuUsec - last.cpuUsec)) / ((atMs - last.atMs) * 1000 * cores) : 0
  const rounded = Math.round(Math.max(0, Math.min(100, pct)) * 100) / 100
  before.set(instance, { atMs, cpuUsec, pct: rounded })
  return rounded
}
