import { sql } from 'kysely'
import type { Queries } from '../storage/database.ts'
import { nounsHeardBy } from './event-permissions.ts'
import type { Principal } from './principal.ts'
import type { Permission, Role } from './roles.ts'

type Standing = Pick<Principal, 'role' | 'scopes'>

/** Who made something that lasts, as they were then. */
export type Maker = Pick<Principal, 'kind' | 'id' | 'role' | 'scopes'>

/** What whatever belongs to the organisation, and to nobody in it any more, is let hear. */
const usual: Standing = { role: 'developer', scopes: undefined }

/**
 * The nouns of the events that something which `maker` made may be told of: what they might hear then and may hear now. Where
 * they are gone, or were not recorded, it belongs to the organisation, and hears no more than a developer does.
 */
export async function nounsHeardFor(
  queries: Queries,
  { accountId, maker }: { accountId: string; maker: Maker | undefined },
): Promise<string[]> {
  const now = maker && (await standingOf(queries, accountId, maker))
  const heardNow = nounsHeardBy(now ?? usual)
  return nounsHeardBy(maker ?? usual).filter((noun) => heardNow.includes(noun))
}

/** Of a service account its role: the scopes are those of the key that was shown. Undefined for who is none of it any more. */
async function standingOf(
  queries: Queries,
  accountId: string,
  { kind, id }: Pick<Principal, 'kind' | 'id'>,
): Promise<Standing | undefined> {
  if (kind === 'admin') return { role: 'operator', scopes: undefined }
  const { rows } = await ofKind[kind](accountId, id).execute(queries)
  const found = rows[0]
  return found && { role: found.role, scopes: found.scopes ?? undefined }
}

interface Row {
  role: Role
  scopes: Permission[] | null
}

const ofKind = {
  key: (accountId: string, id: string) => sql<Row>`select role, scopes from keys
    where account_id = ${accountId} and id = ${id} and (expires_at is null or expires_at > clock_timestamp())`,
  user: (accountId: string, id: string) => sql<Row>`select role, null::jsonb as scopes from memberships
    where account_id = ${accountId} and user_id = ${id}`,
  service: (accountId: string, id: string) => sql<Row>`select role, null::jsonb as scopes from service_accounts
    where account_id = ${accountId} and id = ${id}`,
}
