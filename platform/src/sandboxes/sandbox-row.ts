import type { Selectable } from 'kysely'
import type { NetworkPolicy } from '../engine/network/rules.ts'
import type { SandboxesTable } from '../storage/tables.ts'
import { recordedLifecycle } from './lifecycle.ts'
import type { Limits, Runtime, Sandbox, State } from './sandbox.ts'
import type { MountedVolume } from './volumes.ts'

export type SandboxRow = Selectable<SandboxesTable>

/** The record of a sandbox, as its row has it. */
export function sandboxOf(row: SandboxRow): Sandbox {
  return {
    id: row.id,
    accountId: row.account_id,
    state: row.state as State,
    template: row.template,
    limits: row.limits as Limits,
    metadata: row.metadata,
    network: row.network as NetworkPolicy,
    volumes: row.volumes as MountedVolume[],
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? row.created_at,
    runtime: (row.runtime as Runtime | null) ?? undefined,
    instanceId: row.instance_id ?? undefined,
    warm: row.warm ?? false,
    memory: row.paused_memory ?? (row.state === 'paused' || row.state === 'resuming' ? 'none' : undefined),
    remainingMs: row.remaining_ms === null ? undefined : Number(row.remaining_ms),
    endReason: row.end_reason ?? undefined,
    lifecycle: recordedLifecycle(row.lifecycle),
    pausedAt: row.paused_at ?? undefined,
    node: row.node ?? undefined,
  }
}
