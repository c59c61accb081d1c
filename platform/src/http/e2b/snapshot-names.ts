import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Snapshot } from '../../sandboxes/snapshot.ts'
import { Refusal } from './refusal.ts'

/** The snapshot that a template id of E2B's stands for: by its own id, or by the name it was given. */
export async function findSnapshot(
  sandboxes: Sandboxes,
  account: Account,
  templateId: string,
): Promise<Snapshot | undefined> {
  const id = /^([a-z0-9]+)(?::default)?$/.exec(templateId)?.[1]
  const byId = id ? await sandboxes.snapshots.get({ account, id }).catch(noneIfNotFound) : undefined
  if (byId) return byId
  const name = parsed(account, templateId)
  return name === undefined ? undefined : (await named(sandboxes, account, name))[0]
}

/** Deletes the snapshot that a template id of E2B's stands for; false where it stands for none. */
export async function removeSnapshotById(sandboxes: Sandboxes, account: Account, templateId: string): Promise<boolean> {
  const found = await findSnapshot(sandboxes, account, templateId)
  if (!found) return false
  if (isNamed(account, found)) await removeNamed(sandboxes, account, found.name!)
  else await removeQuietly(sandboxes, account, found)
  return true
}

/** All of this name, or those before `kept`: what was left by a crash between two of them goes along. */
export async function removeNamed(
  sandboxes: Sandboxes,
  account: Account,
  name: string,
  kept?: Snapshot,
): Promise<void> {
  for (const snapshot of await named(sandboxes, account, name))
    if (!kept || (snapshot.id !== kept.id && snapshot.createdAt <= kept.createdAt))
      await removeQuietly(sandboxes, account, snapshot)
}

async function removeQuietly(sandboxes: Sandboxes, account: Account, { id }: Snapshot): Promise<void> {
  await sandboxes.snapshots.remove({ account, id }).catch(noneIfNotFound) // somebody else was faster
}

/** Newest first. */
async function named(sandboxes: Sandboxes, account: Account, name: string): Promise<Snapshot[]> {
  return (await sandboxes.snapshots.list(account, { name, limit: 1000 })).snapshots
}

function noneIfNotFound(error: unknown): undefined {
  if (error instanceof WarrenError && error.code === 'not_found') return undefined
  throw error
}

export function snapshotView(account: Account, snapshot: Snapshot): { snapshotID: string; names: string[] } {
  if (!isNamed(account, snapshot)) return { snapshotID: `${snapshot.id}:default`, names: [] }
  return { snapshotID: snapshot.name!, names: [snapshot.name!.replace(/:[^:]*$/, '')] }
}

function isNamed(account: Account, { name = '' }: Snapshot): boolean {
  return name.includes('/') && parsed(account, name) === name
}

export function nameFilter(account: Account, text: string): { name?: string; nameBegins?: string } {
  const name = parsed(account, text)
  if (name === undefined) return { name: '\u0001' } // none is called so
  return text.includes(':') ? { name } : { nameBegins: name.replace(/[^:]*$/, '') }
}

/** `name[:tag]` or `team/name[:tag]` in full. Throws 400 for what is no name. */
export function fullName(account: Account, text: string): string {
  const name = parsed(account, text)
  if (name !== undefined) return name
  throw new Refusal(
    400,
    `"${text.slice(0, 100)}" is no name of a snapshot: a name is NAME or NAME:TAG of letters, digits, - and _`,
  )
}

function parsed(account: Account, text: string): string | undefined {
  const [, team, name, tag = 'default'] =
    /^(?:([a-z0-9_-]+)\/)?([a-z0-9_-]+)(?::([a-z0-9._-]+))?$/.exec(text.toLowerCase()) ?? []
  if (name === undefined || (team !== undefined && team !== account.name)) return undefined
  return `${account.name}/${name}:${tag}`
}
