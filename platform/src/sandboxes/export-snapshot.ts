import type { Readable } from 'node:stream'
import { exportSnapshotFiles } from '../engine/export-snapshot.ts'
import { getSnapshot } from './get-snapshot.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'

/** A snapshot as one file, from its beginning to its end. */
export async function exportSnapshot(deps: SandboxDeps, { account, id }: Subject): Promise<Readable> {
  await getSnapshot(deps, account, id)
  return exportSnapshotFiles(deps.engine.saved.snapshots, id)
}
