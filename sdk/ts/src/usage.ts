import type { Transport } from './transport.ts'

/** By what a report of use is put together. */
export type UsageGrouping = 'none' | 'kind' | 'subject' | 'template' | 'state' | 'hour' | 'day'

/** Sums of closed intervals of use: processor time as measured, memory and disk as reserved, times milliseconds. */
export interface UsageAmounts {
  facts: number
  durationMs: number
  cpuMs: number
  memoryMbMs: number
  /** What was charged to control groups of sandboxes: a page that several share is charged to one of them. */
  memoryHeldMbMs: number
  diskMbMs: number
  networkInBytes: number
  networkOutBytes: number
  gpuMs: number
  /** What models were asked, without what their vendor had cached. */
  modelInputTokens: number
  modelCachedTokens: number
  modelOutputTokens: number
}

export interface UsageReport {
  from: string
  to: string
  group: UsageGrouping
  groups: (UsageAmounts & { key: string })[]
  total: UsageAmounts
  /** What goes on now and is in no sum yet. */
  open: UsageAmounts
}

export interface UsageOptions {
  /** Default: 30 days before `to`. */
  from?: Date | string | undefined
  /** Default: now. */
  to?: Date | string | undefined
  group?: UsageGrouping | undefined
}

/** A running sandbox and what it uses now. */
export interface TopSandbox {
  id: string
  template: string
  driver: string
  cpuPercent: number
  cpuCores: number
  memoryBytes: number
  memoryLimitBytes: number
  diskBytes: number
  /** ISO 8601; absent if it was not measured yet. */
  at?: string
}

export function readUsage(transport: Transport, { from, to, group }: UsageOptions): Promise<UsageReport> {
  return transport.json('GET', '/v1/usage', { query: { from: isoOf(from), to: isoOf(to), group } })
}

export async function readTop(transport: Transport): Promise<TopSandbox[]> {
  return (await transport.json<{ sandboxes: TopSandbox[] }>('GET', '/v1/top')).sandboxes
}

function isoOf(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time
}
