import { WarrenError } from '../errors.ts'
import { firstHostUid } from './host/host.ts'
import type { Instance } from './instance.ts'
import { expectations } from './posture/expectations.ts'
import { lookInside } from './posture/inside.ts'
import { judge, type PostureCheck } from './posture/judge.ts'
import { type HostProcess, lookAt } from './posture/outside.ts'

export interface Posture {
  checks: PostureCheck[]
  /** Processes of the host that were looked at, and their threads. */
  processes: number
  threads: number
}

/** Measures how a running instance is kept from this host, from both sides. Throws where its driver names no processes. */
export async function measurePosture(
  instance: Instance,
  host: { controlGroups: boolean },
  signal: AbortSignal,
): Promise<Posture> {
  const { inside, outside } = await lookInside(instance.guest, () => confinedProcesses(instance), signal)
  const checks = judge({
    outside,
    inside,
    expected: expectations[instance.driver.isolation],
    firstUid: process.getuid?.() === 0 ? firstHostUid : 1,
    controlGroup: host.controlGroups ? instance.id : undefined,
  })
  const threads = outside.reduce((total, { threads }) => total + threads, 0)
  return { checks, processes: outside.length, threads }
}

/**
 * Those that run what is inside: all with a user namespace of their own. A runtime that stays outside to watch is not
 * among them. Where none has one, there is no border, and all are judged.
 */
async function confinedProcesses(instance: Instance): Promise<HostProcess[]> {
  const pids = await instance.hostProcesses()
  if (!pids)
    throw new WarrenError('unavailable', `the driver ${instance.driver.name} does not tell the processes of a sandbox`)
  const all = pids.map(lookAt).filter((process) => process !== undefined)
  const confined = all.filter(({ hasOwnUsers }) => hasOwnUsers)
  return confined.length > 0 ? confined : all
}
