import type { ColumnType, Generated } from 'kysely'
import type { Json } from './column.ts'

export interface BucketsTable {
  id: string
  account_id: string
  name: string
  size_bytes: Generated<number>
  objects: Generated<number>
  created_at: Date
}

export interface BucketObjectsTable {
  bucket_id: string
  key: string
  content: string
  size_bytes: number
  etag: string
  content_type: string
  metadata: Json<Record<string, string>>
  modified_at: Date
}

export interface BucketContentsTable {
  id: string
  account_id: string
  writer: string
  state: 'writing' | 'unneeded'
  size_bytes: number
  upload: ColumnType<string | null, string | undefined, string>
  created_at: Date
}
