import type pg from 'pg'

export interface TableShape {
  name: string
  /** Those that are stored and not computed from others. */
  columns: string[]
}

export interface SequenceState {
  name: string
  /** As text: it may have 64 bits. */
  value: string
  called: boolean
}

/** Every table, such that each comes after those that it refers to. */
export async function tablesOf(client: pg.Client): Promise<TableShape[]> {
  const { rows: tables } = await client.query<TableShape>(`
    select c.relname as name, array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '') as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' group by c.relname order by c.relname`)
  const { rows: references } = await client.query<{ from: string; to: string }>(`
    select a.relname as "from", b.relname as "to"
    from pg_constraint k join pg_class a on a.oid = k.conrelid join pg_class b on b.oid = k.confrelid
    where k.contype = 'f' and k.connamespace = current_schema()::regnamespace and a.oid <> b.oid`)
  const sorted: TableShape[] = []
  const visit = (table: TableShape) => {
    if (sorted.includes(table)) return
    for (const { to } of references.filter(({ from }) => from === table.name)) {
      const before = tables.find(({ name }) => name === to)
      if (before) visit(before)
    }
    sorted.push(table)
  }
  for (const table of tables) visit(table)
  return sorted
}

export async function sequencesOf(client: pg.Client): Promise<SequenceState[]> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'S' order by 1`,
  )
  const found: SequenceState[] = []
  for (const { name } of rows) {
    const state = await client.query<{ value: string; called: boolean }>(
      `select last_value::text as value, is_called as called from ${quoted(name)}`,
    )
    found.push({ name, ...state.rows[0]! })
  }
  return found
}

/** Whether anything at all has been made in it. */
export async function isEmpty(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ used: boolean }>(
    `select exists (select from pg_class where relnamespace = current_schema()::regnamespace) as used`,
  )
  return !rows[0]!.used
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A table and its columns, as COPY takes them. */
export function copied({ name, columns }: TableShape): string {
  return `${quoted(name)} (${columns.map(quoted).join(', ')})`
}
