import { type Static, Type } from 'typebox'
import type { Account } from '../accounts/account.ts'
import type { MetricsHistory } from './metrics-history.ts'
import type { SandboxDeps } from './sandboxes.ts'

export const TopSandbox = Type.Object(
  {
    id: Type.String(),
    template: Type.String(),
    driver: Type.String(),
    cpuPercent: Type.Number({ description: 'Share of the processor time it may use.' }),
    cpuCores: Type.Number(),
    memoryBytes: Type.Number(),
    memoryLimitBytes: Type.Number(),
    diskBytes: Type.Number(),
    at: Type.Optional(Type.String({ format: 'date-time', description: 'When it was measured; absent if not yet.' })),
  },
  { $id: 'TopSandbox' },
)
export type TopSandbox = Static<typeof TopSandbox>

const mebibyte = 1024 * 1024

/** The running sandboxes of an account as they were measured last, those that use most of the processor first. */
export async function topSandboxes(
  { live }: SandboxDeps,
  history: MetricsHistory,
  account: Account,
): Promise<TopSandbox[]> {
  const own = [...live].filter(([, { accountId }]) => accountId === account.id)
  const rows = own.map(([id, { instance }]) => {
    const last = history.last(id)
    return {
      id,
      template: instance.spec.template,
      driver: instance.driver.name,
      cpuPercent: last?.cpuUsedPct ?? 0,
      cpuCores: instance.limits.cpuCores,
      memoryBytes: last?.memUsed ?? 0,
      memoryLimitBytes: instance.limits.memoryMb * mebibyte,
      diskBytes: last?.diskUsed ?? 0,
      ...(last ? { at: last.at.toISOString() } : {}),
    }
  })
  return rows.sort((a, b) => b.cpuPercent - a.cpuPercent || b.memoryBytes - a.memoryBytes)
}

/** The busiest of all accounts, for the operator's figures. */
export function busiestSandboxes(
  { live }: Pick<SandboxDeps, 'live'>,
  history: MetricsHistory,
  most: number,
): { id: string; cpuPercent: number; memoryBytes: number }[] {
  return [...live.keys()]
    .map((id) => {
      const last = history.last(id)
      return { id, cpuPercent: last?.cpuUsedPct ?? 0, memoryBytes: last?.memUsed ?? 0 }
    })
    .sort((a, b) => b.cpuPercent - a.cpuPercent || b.memoryBytes - a.memoryBytes)
    .slice(0, most)
}
