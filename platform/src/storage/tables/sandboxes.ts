import type { ColumnType, Generated } from 'kysely'
import type { Json, OptionalJson } from './column.ts'

export interface SandboxesTable {
  id: string
  account_id: string
  template: string
  state: 'starting' | 'running' | 'pausing' | 'paused' | 'resuming' | 'stopping' | 'stopped' | 'failed'
  instance_id: string | null
  runtime: OptionalJson<unknown>
  limits: Json<unknown>
  env: Json<Record<string, string>>
  metadata: Json<Record<string, string>>
  network: ColumnType<unknown, string | undefined, string>
  volumes: ColumnType<unknown, string | undefined, string>
  warm: boolean | null
  created_at: Generated<Date>
  expires_at: Date | null
  ended_at: Date | null
  end_reason: string | null
  paused_memory: 'saved' | 'resident' | null
  /** A bigint, which pg reads as text. */
  remaining_ms: string | null
  lifecycle: ColumnType<unknown, string | undefined, string>
  paused_at: Date | null
  node: Generated<string | null>
}

export interface SnapshotsTable {
  id: string
  account_id: string
  name: string | null
  state: 'creating' | 'ready' | 'deleting'
  sandbox_id: string | null
  template: string | null
  driver: string | null
  keeps: 'memory' | 'files' | null
  limits: OptionalJson<unknown>
  size_bytes: string | null
  created_at: Date
}

export interface VolumesTable {
  id: string
  account_id: string
  name: string
  state: 'creating' | 'ready' | 'deleting'
  size_mb: number | null
  created_at: Date
}

export interface SecretsTable {
  id: string
  account_id: string
  name: string
  version: number
  sealed: string
  hosts: Json<string[]>
  metadata: Json<Record<string, string>>
  created_at: Date
  updated_at: Date
}

export interface TemplatesTable {
  id: string
  account_id: string
  name: string
  description: Generated<string>
  created_at: Date
  updated_at: Date
  deleted_at: Date | null
}

export interface TemplateBuildsTable {
  id: string
  template_id: string
  account_id: string
  state: 'waiting' | 'building' | 'ready' | 'error'
  plan: OptionalJson<unknown>
  tags: Json<string[]>
  limits: Json<unknown>
  reason: OptionalJson<unknown>
  created_at: Date
  finished_at: Date | null
}

export interface TemplateTagsTable {
  template_id: string
  tag: string
  build_id: string
  created_at: Date
}

export interface TemplateUsesTable {
  account_id: string
  template: string
  count: string | number
  last_at: Date
}

export interface TemplateLogsTable {
  build_id: string
  seq: number
  at: Date
  level: string
  step: string | null
  message: string
}
