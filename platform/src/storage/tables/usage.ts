import type { Generated } from 'kysely'
import type { Json, OptionalJson } from './column.ts'

export interface EventsTable {
  seq: Generated<number>
  xid: Generated<string>
  type: string
  account_id: string
  subject: string
  data: Json<unknown>
  at: Generated<Date>
}

export interface UsageFactsTable {
  seq: Generated<number>
  key: string
  account_id: string
  kind: string
  subject: string
  started_at: Date
  ended_at: Date
  cpu_ms: Generated<number>
  memory_mb_ms: Generated<number>
  memory_held_mb_ms: Generated<number>
  disk_mb_ms: Generated<number>
  network_in_bytes: Generated<number>
  network_out_bytes: Generated<number>
  gpu_ms: Generated<number>
  model_input_tokens: Generated<number>
  model_cached_tokens: Generated<number>
  model_output_tokens: Generated<number>
  attributes: Json<Record<string, string>>
}

export interface EventCursorsTable {
  consumer: string
  xid: Generated<string>
  seq: Generated<number>
}

export interface UsageOpenTable {
  subject: string
  account_id: string
  kind: 'sandbox' | 'storage' | 'egress'
  state: 'running' | 'resident' | 'stored'
  number: number
  started_at: Date
  memory_mb: number
  disk_mb: number
  gpu: boolean
  attributes: Json<Record<string, string>>
  skew_ms: number
  turn: number
  resource: string | null
}

export interface UsageSamplesTable {
  subject: string
  at: Date
  leaving_at: Date | null
  cpu_counter: string | null
  cpu_usec: Generated<number>
  cpu_total_usec: Generated<number>
  cpu_told_usec: Generated<number>
  network_counter: string | null
  bytes_in: Generated<number>
  bytes_in_total: Generated<number>
  bytes_in_told: Generated<number>
  bytes_out: Generated<number>
  bytes_out_total: Generated<number>
  bytes_out_told: Generated<number>
  memory_mb: Generated<number>
  disk_mb: Generated<number>
  held_bytes: number | null
  held_at_ms: number | null
  held_total_mb_ms: Generated<number>
  held_told_mb_ms: Generated<number>
}

export interface UsageClockTable {
  one: Generated<boolean>
  boot_id: string
  uptime_ms: number
  at: Date
  turn: number
}

export interface WebhooksTable {
  id: string
  account_id: string
  url: string
  events: Json<string[]>
  state: 'active' | 'disabled'
  secret_version: Generated<number>
  previous_until: Date | null
  maker: OptionalJson<unknown>
  created_at: Date
}

export interface WebhookDeliveriesTable {
  seq: Generated<number>
  id: string
  webhook_id: string
  event_id: string
  type: string
  subject: string
  body: string
  state: 'waiting' | 'delivered' | 'dead'
  attempts: Generated<number>
  until: Date
  next_at: Date | null
  leased_until: Date | null
  created_at: Generated<Date>
  finished_at: Date | null
}

export interface WebhookAttemptsTable {
  delivery_id: string
  number: number
  at: Date
  duration_ms: number
  status: number | null
  error: string | null
}
