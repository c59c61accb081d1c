import type { ColumnType } from 'kysely'

/** JSON is handed over as text (`JSON.stringify`): pg would write an array as one of PostgreSQL's own. */
export type Json<T> = ColumnType<T, string, string>
export type OptionalJson<T> = ColumnType<T | null, string | null | undefined, string | null>
