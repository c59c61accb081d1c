import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import type { Entry, Fact } from '../journal/entry.ts'
import type { Run } from '../run.ts'
import type { RunSnapshots } from '../run-snapshots.ts'
import type { RunStore } from '../run-store.ts'
import type { SandboxHands } from '../tools/run-sandbox.ts'
import { type Cut, cutAt, diskText } from './cut.ts'

export interface BranchDeps {
  store: RunStore
  snapshots: Pick<RunSnapshots, 'of' | 'reserve' | 'letGo'>
  hands: Pick<SandboxHands, 'remove' | 'snapshots'>
  now: () => Date
}

const snapshotTaken = { type: 'snapshot.taken' } as const

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
  const forkId = newId('u')
  const kept = await deps.snapshots.of(account, id)
  const found = existing(entries, run, { at: branch.at, kept })
  const saved = await saveDisk(deps, { account, forkId }, found, entries)
  const cut = saved === undefined ? found : { ...found, disk: { snapshot: saved } }
  const [first, ...rest] = cut.entries
  if (first?.type !== 'run.started') throw new WarrenError('internal', `the journal of run ${id} has no beginning`)
  const { parent: _, ...started } = first.data
  const own = { ...started, root: forkId, depth: 0 }
  const taken = cut.entries.flatMap((entry) => (entry.type === 'snapshot.taken' ? [entry.data.id] : []))
  const disk = 'snapshot' in cut.disk ? cut.disk.snapshot : undefined
  const facts: Fact[] = [
    // It can come back to its beginning, though it was saved while the next step was on its way.
    ...(disk === undefined || taken.includes(disk) ? [] : [{ ...snapshotTaken, data: { step: branch.at, id: disk } }]),
    { type: 'run.forked', data: { from: id, at: branch.at, disk: diskText(cut.disk) } },
    ...said(branch),
  ]
  const added = facts.map((fact, index) => ({ ...fact, seq: cut.seq + index + 1, at: now().getTime() }) as Entry)
  const beginsWith = saved === undefined ? disk : undefined
  const shared = beginsWith === undefined ? taken : [...taken, beginsWith]
  const history = [{ ...first, data: own }, ...rest, ...added]
  try {
    await store.copyBlobs(id, forkId)
    const fork = { of: id, entries: history, snapshots: shared, beginsWith }
    return await store.create({ id: forkId, accountId: account.id, started: own, fork })
  } catch (error) {
    if (saved !== undefined) await deps.snapshots.letGo(forkId, [saved])
    throw error
  }
}

/** The same run goes on from the end of step `at`, as if what came after had not been. Throws `conflict` while it runs. */
export async function rollbackRun(
  deps: BranchDeps,
  { account, id }: { account: Account; id: string },
  branch: Branch,
): Promise<Run> {
  const { store, hands, snapshots } = deps
  await store.find(account.id, id)
  const kept = await snapshots.of(account, id)
  const before = await store.journal.read(id)
  const sandbox = before.findLast((entry) => entry.type === 'sandbox.made')
  const changed = await store.change(account.id, id, (run, entries) => {
    if (run.state === 'running' || run.state === 'queued')
      throw new WarrenError('conflict', `run ${id} is ${run.state}: cancel it first`, { details: { state: run.state } })
    const { seq, disk } = existing(entries, run, { at: branch.at, kept })
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

function existing(entries: readonly Entry[], run: Run, { at, kept }: { at: number; kept: ReadonlySet<string> }): Cut {
  const cut = cutAt(entries, at, kept)
  if (cut) return cut
  throw new WarrenError('invalid_request', `run ${run.id} has ${run.steps} steps, and no step ${at}`)
}

/** A disk that was not saved is saved now, where the sandbox still is as it was then. Answers the id of the snapshot. */
async function saveDisk(
  { hands, snapshots }: BranchDeps,
  { account, forkId }: { account: Account; forkId: string },
  cut: Cut,
  entries: readonly Entry[],
): Promise<string | undefined> {
  if (!('lost' in cut.disk)) return undefined
  const changedLater = entries.some(
    (entry) => entry.type === 'tool.ended' && entry.data.changedDisk && entry.seq > cut.seq,
  )
  const made = entries.findLast((entry) => entry.type === 'sandbox.made')
  if (changedLater || made?.type !== 'sandbox.made') return undefined
  const id = await snapshots.reserve(account.id, forkId)
  try {
    await hands.snapshots.create(
      { account, id: made.data.id },
      { name: `run ${forkId} from its beginning`, id },
      AbortSignal.timeout(60_000),
    )
    return id
  } catch {
    await snapshots.letGo(forkId, [id])
    return undefined
  }
}

function said({ message }: Branch): Fact[] {
  return message === undefined ? [] : [{ type: 'message.added', data: { text: message, mode: 'steer' } }]
}
