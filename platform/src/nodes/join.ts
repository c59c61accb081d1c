import { hostname, totalmem } from 'node:os'
import { WarrenError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import { fingerprintOfKeys } from '../storage/hold-database.ts'
import { heard } from './node.ts'
import { NodeStore } from './node-store.ts'

/** Throws where the platform of this database has other keys than `home`, or none has worked with it yet. */
export async function checkPlatform({ pool }: Pick<Database, 'pool'>, home: string): Promise<void> {
  const { rows } = await pool.query<{ keys: string; host: string }>('select keys, host from platform_lease')
  const [platform] = rows
  if (!platform)
    throw new WarrenError(
      'unavailable',
      'no platform has worked with this database yet, so there is none to work for',
      {
        hint: 'Start the platform first, with the same DATABASE_URL and without WARREN_NODE.',
      },
    )
  if (platform.keys === (await fingerprintOfKeys(home))) return
  throw new WarrenError('conflict', `the platform on ${platform.host} has other keys than this worker`, {
    hint: 'Copy admin.key, token.seed, accounts.seed and secrets.key from its home into this one.',
  })
}

interface JoinOptions {
  db: Pick<Database, 'pool'>
  /** Id of this worker. */
  id: string
  /** Where the platform reaches it. */
  address: string
  /** Called when it was taken out: from then on nothing may be written. */
  onRemoved: () => void
}

/** Lets the platform count on this worker. Resolves with what says that it stops. */
export async function joinPlatform({ db, id, address, onRemoved }: JoinOptions): Promise<() => Promise<void>> {
  const store = new NodeStore(db)
  await store.join({ id, host: hostname(), address, memoryMb: Math.floor(totalmem() / 2 ** 20) })
  let renewing: Promise<void> | undefined
  let isOver = false
  const timer = setInterval(() => {
    renewing ??= store
      .renew(id)
      .then(
        (isOurs) => {
          if (!isOurs && !isOver) onRemoved()
        },
        // A database that cannot be asked is asked again. Nobody else takes what is ours meanwhile.
        () => {},
      )
      .finally(() => {
        renewing = undefined
      })
  }, heard.everyMs).unref()
  return async () => {
    isOver = true
    clearInterval(timer)
    await renewing
    await store.leave(id)
  }
}
