import type { Readable } from 'node:stream'
import type { Account } from '../accounts/account.ts'
import { importSnapshotFiles } from '../engine/import-snapshot.ts'
import { newId } from '../lib/id.ts'
import { recordSnapshot } from './create-snapshot.ts'
import type { SandboxDeps } from './sandboxes.ts'
import type { Snapshot } from './snapshot.ts'

/** Takes in a snapshot that was exported, here or elsewhere. On rejection there is none. */
export async function importSnapshot(
  deps: SandboxDeps,
  account: Account,
  { name, content }: { name: string | undefined; content: Readable },
  signal: AbortSignal,
): Promise<Snapshot> {
  const reserved = { id: newId('n'), accountId: account.id, name, sandboxId: undefined, createdAt: deps.now() }
  const { engine } = deps
  const staysInside = (driver: string) => engine.disksStayInside(driver)
  return recordSnapshot(deps, reserved, () =>
    importSnapshotFiles(engine.saved.snapshots, reserved.id, { content, staysInside }, signal),
  )
}
