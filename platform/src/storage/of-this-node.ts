import { sql } from 'kysely'
import type pg from 'pg'

/** Holds for rows of `sandboxes` that the node has whose connection asks: of the platform itself, those that no worker has. */
export const ofThisNode = sql<boolean>`node is not distinct from nullif(current_setting('warren.node', true), '')`

/** For `verify` of a pool: what its connections write belongs to the worker `node`. */
export function belongTo(node: string): NonNullable<pg.PoolConfig['verify']> {
  return (client, done) => {
    client.query(`select set_config('warren.node', $1, false)`, [node]).then(
      () => done(),
      (error: Error) => done(error),
    )
  }
}
