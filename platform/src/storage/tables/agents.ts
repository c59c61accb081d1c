import type { ColumnType, Generated } from 'kysely'
import type { Json, OptionalJson } from './column.ts'

export interface AgentsTable {
  account_id: string
  name: string
  spec: Json<unknown>
  created_at: Date
  updated_at: Date
}

export interface AgentRunsTable {
  id: string
  account_id: string
  agent: string
  conversation: boolean
  state: 'queued' | 'running' | 'waiting' | 'done' | 'stopped' | 'failed' | 'cancelled'
  reason: string | null
  result: OptionalJson<unknown>
  root_id: string
  parent_id: string | null
  once_key: string | null
  fence: Generated<number>
  holder: string | null
  lease_until: Date | null
  cancel_requested: Generated<boolean>
  steps: Generated<number>
  usage: ColumnType<unknown, string | undefined, string>
  created_at: Date
  ended_at: Date | null
  learned: Generated<boolean>
}

export interface AgentEntriesTable {
  run_id: string
  seq: number
  at: Date
  type: string
  data: Json<unknown>
}

export interface AgentBlobsTable {
  run_id: string
  hash: string
  data: Buffer
}

export interface AgentInboxTable {
  seq: Generated<number>
  run_id: string
  id: string
  mode: 'steer' | 'follow_up' | 'interrupt'
  text: string
  /** Their hashes: what is in them is in `agent_blobs`. */
  images: unknown
  at: Date
}

export interface AgentSnapshotsTable {
  snapshot_id: string
  run_id: string
  account_id: string
  needed: Generated<boolean>
}

export interface AgentFactsTable {
  account_id: string
  agent: string
  hash: string
  text: string
  run_id: string
  at: Date
  expires_at: Date | null
  /** Hash of the fact that holds instead. */
  superseded_by: string | null
}

export interface AgentDocumentsTable {
  id: string
  account_id: string
  agent: string
  name: string
  kind: 'markdown' | 'code' | 'text'
  text: string
  bytes: number
  hash: string
  at: Date
}

export interface AgentDocumentVectorsTable {
  document_id: string
  space: string
  dimensions: number
  vectors: Buffer
}
