import { type Static, Type } from 'typebox'
import { runningInstance } from './running.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'

export const SandboxMetrics = Type.Object(
  {
    at: Type.String({ format: 'date-time' }),
    cpuUsec: Type.Optional(Type.Number({ description: 'CPU time used since the start, in microseconds.' })),
    memoryBytes: Type.Optional(Type.Number()),
    memoryPeakBytes: Type.Optional(Type.Number()),
    memoryLimitBytes: Type.Number(),
    processes: Type.Number(),
    diskBytes: Type.Optional(Type.Number()),
    diskLimitBytes: Type.Number(),
    oomKills: Type.Optional(
      Type.Number({ description: 'How often the kernel killed a process here for want of memory.' }),
    ),
  },
  { $id: 'SandboxMetrics', description: 'What is missing cannot be measured on this host.' },
)
export type SandboxMetrics = Static<typeof SandboxMetrics>

const mebibyte = 1024 * 1024

/** What a running sandbox uses at this moment: the host's own figures, the disk's from inside. */
export async function readMetrics(deps: SandboxDeps, subject: Subject): Promise<SandboxMetrics> {
  const instance = await runningInstance(deps, subject.account, subject.id)
  const [usage, inside] = await Promise.all([instance.usage(), instance.guest.metrics()])
  return {
    processes: inside.processes,
    ...usage,
    at: deps.now().toISOString(),
    memoryLimitBytes: instance.limits.memoryMb * mebibyte,
    // Without a disk of its own the sandbox sees the host's.
    ...(instance.disk === 'none' ? {} : { diskBytes: inside.diskUsedBytes }),
    diskLimitBytes: instance.limits.diskMb * mebibyte,
  }
}
