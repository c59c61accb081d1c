import type { ColumnType, Generated } from 'kysely'
import type { Json } from './column.ts'

export interface FunctionsTable {
  id: string
  account_id: string
  name: string
  live: ColumnType<unknown, string | undefined, string>
  last_version: Generated<number>
  created_at: Date
  updated_at: Date
}

export interface FunctionVersionsTable {
  function_id: string
  version: number
  runtime: string
  code: string
  code_bytes: string
  settings: Json<unknown>
  created_at: Date
}

export interface FunctionCodeTable {
  hash: string
  bytes: string
  created_at: Date
}

export interface FunctionAliasesTable {
  function_id: string
  name: string
  targets: Json<unknown>
  updated_at: Date
}

export interface FunctionSchedulesTable {
  id: string
  account_id: string
  function_id: string
  cron: string
  time_zone: string
  catch_up: string
  payload: Json<unknown>
  next_at: Date | null
  last_at: Date | null
  created_at: Date
}

export interface FunctionStorageTriggersTable {
  id: string
  account_id: string
  function_id: string
  bucket_id: string
  prefix: string
  suffix: string
  events: string[]
  since: Generated<string>
  created_at: Date
}

export interface FunctionEventTriggersTable {
  id: string
  account_id: string
  function_id: string
  events: string[]
  subject: string | null
  since: Generated<string>
  paced_to: Date
  created_at: Date
}

export interface FunctionHooksTable {
  id: string
  account_id: string
  function_id: string
  scheme: string
  secrets: string[]
  signature_header: string | null
  id_header: string | null
  tolerance_seconds: number
  token_hash: string | null
  created_at: Date
}

export interface FunctionRoutesTable {
  id: string
  account_id: string
  function_id: string
  method: string
  path: string
  shape: string
  version: string | null
  created_at: Date
}

export interface QueuesTable {
  id: string
  account_id: string
  name: string
  visibility_seconds: number
  max_receives: number
  dead_letter_queue: string | null
  function_id: string | null
  batch: number
  created_at: Date
}
