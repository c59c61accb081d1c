import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import type { Entry, Fact } from '../journal/entry.ts'
import type { Run } from '../run.ts'
import type { RunStore } from '../run-store.ts'
import type { SandboxHands } from '../tools/run-sandbox.ts'
import { type Cut, cutAt, diskText } from './cut.ts'

export interface BranchDeps {
  store: RunStore
  hands: Pick<SandboxHands, 'remove' | 'snapshots'>
  now: () => Date
}

interface Branch {
  at: number
  message?: string | undefined
}

/** Another run that goes on from the end of step `at`: with the conversation, and with the disk of the sandbox as they were then. */
export async function forkRun(
  deps: BranchDeps,
  { account, id }: { account: Account; id: string },
  branch: Branch,
): Promise<Run> {
  const { store, now } = deps
  const run = await store.find(account.id, id)
  const entries = await store.journal.read(id)
  const cut = await withDisk(deps, account, existing(entries, run, branch.at), entries)
  const forkId = newId('u')
  const [first, ...rest] = cut.entries
  if (first?.type !== 'run.started') throw new WarrenError('internal', `the journal of run ${id} has no beginning`)
  const { parent: _, ...started } = first.data
  const own = { ...started, root: forkId, depth: 0 }
  const facts: Fact[] = [
    { type: 'run.forked', data: { from: id, at: branch.at, disk: diskText(cut.disk) } },
    ...said(branch),
  ]
  const added = facts.map((fact, index) => ({ ...fact, seq: cut.seq + index + 1, at: now().getTime() }) as Entry)
  await store.copyBlobs(id, forkId)
  return await store.create({
    id: forkId,
    accountId: account.id,
    started: own,
    history: [{ ...first, data: own }, ...rest, ...added],
  })
}

/** The same run goes on from the end of step `at`, as if what came after had not been. Throws `conflict` while it runs. */
export async function rollbackRun(
  deps: BranchDeps,
  { account, id }: { account: Account; id: string },
  branch: Branch,
): Promise<Run> {
  const { store, hands } = deps
  await store.find(account.id, id)
  const before = await store.journal.read(id)
  const sandbox = before.findLast((entry) => entry.type === 'sandbox.made')
  const changed = await store.change(account.id, id, (run, entries) => {
    if (run.state === 'running' || run.state === 'queued')
      throw new WarrenError('conflict', `run ${id} is ${run.state}: cancel it first`, { details: { state: run.state } })
    const { seq, disk } = existing(entries, run, branch.at)
    const snapshot = 'snapshot' in disk ? { snapshot: disk.snapshot } : {}
    return [
      { type: 'run.rolled_back', data: { to: seq, step: branch.at, disk: diskText(disk), ...snapshot } },
      ...said(branch),
    ]
  })
  // Nothing of it is used any more: the next tool begins from the snapshot.
  if (sandbox?.type === 'sandbox.made') await hands.remove({ account, id: sandbox.data.id }).catch(() => {})
  return changed
}

function existing(entries: readonly Entry[], run: Run, at: number): Cut {
  const cut = cutAt(entries, at)
  if (cut) return cut
  throw new WarrenError('invalid_request', `run ${run.id} has ${run.steps} steps, and no step ${at}`)
}

/** A disk that was not saved is saved now, where the sandbox still is as it was then. */
async function withDisk({ hands }: BranchDeps, account: Account, cut: Cut, entries: readonly Entry[]): Promise<Cut> {
  if (!('lost' in cut.disk)) return cut
  const changedLater = entries.some(
    (entry) => entry.type === 'tool.ended' && entry.data.changedDisk && entry.seq > cut.seq,
  )
  const made = entries.findLast((entry) => entry.type === 'sandbox.made')
  if (changedLater || made?.type !== 'sandbox.made') return cut
  try {
    const snapshot = await hands.snapshots.create(
      { account, id: made.data.id },
      { name: 'for a fork' },
      AbortSignal.timeout(60_000),
    )
    return { ...cut, disk: { snapshot: snapshot.id } }
  } catch {
    return cut
  }
}

function said({ message }: Branch): Fact[] {
  return message === undefined ? [] : [{ type: 'message.added', data: { text: message, mode: 'steer' } }]
}
