import type { Instance } from '../../engine/engine.ts'

const mebibyte = 1024 * 1024

/** What a sandbox uses at this moment. What the host cannot measure is 0. */
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

/** The measurement before, for what is a difference over time. */
const before = new WeakMap<Instance, { atMs: number; cpuUsec: number; pct: number }>()
/** Over a shorter time than this the share of the processor is that of the measurement before. */
const shortestMs = 250

export async function measure(instance: Instance): Promise<Measurement> {
  const [usage, inside] = await Promise.all([instance.usage(), instance.guest.metrics()])
  const { cpuCores, memoryMb, diskMb } = instance.limits
  return {
    at: new Date(),
    cpuCount: Math.max(1, Math.round(cpuCores)),
    cpuUsedPct: share(instance, usage?.cpuUsec ?? 0, cpuCores),
    memUsed: usage?.memoryBytes ?? 0,
    memTotal: memoryMb * mebibyte,
    memCache: 0,
    // Without a disk of its own the sandbox sees the host's.
    diskUsed: instance.disk === 'none' ? 0 : inside.diskUsedBytes,
    diskTotal: diskMb * mebibyte,
  }
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
