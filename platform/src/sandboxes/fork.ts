import { newId } from '../lib/id.ts'
import { inRoom } from '../lib/in-room.ts'
import { getSandbox } from './get.ts'
import { armedPolicy } from './outgoing.ts'
import { quotasOf } from './quotas-of.ts'
import { catchUp } from './renew-secret.ts'
import { runningInstance } from './running.ts'
import type { ForkSandbox, Sandbox } from './sandbox.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'
import { watchExit } from './watch-exit.ts'

/**
 * `count` live copies of a running sandbox, which goes on itself: all of them go on from the same moment. All or none; on
 * rejection nothing more runs and nothing more is recorded.
 */
export async function forkSandbox(
  deps: SandboxDeps,
  subject: Subject,
  input: ForkSandbox,
  signal: AbortSignal,
): Promise<Sandbox[]> {
  const copies = await fork(deps, subject, { ...input, allOrNone: true }, signal)
  return copies.flatMap((copy) => (copy.status === 'fulfilled' ? [copy.value] : []))
}

/** As `forkSandbox`, but one that fails takes no other along: what became of each. */
export function forkEach(
  deps: SandboxDeps,
  subject: Subject,
  input: ForkSandbox,
  signal: AbortSignal,
): Promise<PromiseSettledResult<Sandbox>[]> {
  return fork(deps, subject, { ...input, allOrNone: false }, signal)
}

/** A copy that is being made: it has a record, then an instance, and at any time a reason why it has not. */
interface Copy {
  starting: Sandbox
  isReserved: boolean
  started?: Awaited<ReturnType<SandboxDeps['engine']['saved']['fork']>>[number]
  failure?: unknown
}

async function fork(
  deps: SandboxDeps,
  { account, id }: Subject,
  input: ForkSandbox & { allOrNone: boolean },
  signal: AbortSignal,
): Promise<PromiseSettledResult<Sandbox>[]> {
  const { store, engine, busy } = deps
  deps.mayStart(account.id)
  const instance = await runningInstance(deps, account, id)
  const source = await getSandbox(deps, account, id)
  const all: Copy[] = Array.from({ length: input.count ?? 1 }, () => ({
    starting: copyOf(source, input, deps.now()),
    isReserved: false,
  }))
  const fail = (copy: Copy, failure: unknown) => {
    if (input.allOrNone) throw failure
    copy.failure = failure
  }

  for (const { starting } of all) busy.add(starting.id)
  try {
    for (const copy of all)
      await inRoom(
        () => store.reserve(copy.starting, quotasOf(deps, account)),
        () => deps.giveWay(account.id),
      ).then(
        () => (copy.isReserved = true),
        (error) => fail(copy, error),
      )
    const reserved = all.filter(({ isReserved }) => isReserved)
    if (reserved.length === 0) return outcomes(all, [])
    const requests = await Promise.all(
      reserved.map(async ({ starting: { id, accountId } }) => {
        const network = await armedPolicy(deps, { id, accountId, network: source.network })
        return { owner: id, env: input.env, network }
      }),
    )
    const starts = await engine.saved.fork(instance.id, requests, signal)
    for (const [at, copy] of reserved.entries()) copy.started = starts[at]!
    signal.throwIfAborted()
    for (const copy of reserved) if (copy.started?.status === 'rejected') fail(copy, copy.started.reason)
    const running = await take(deps, source, reserved)
    await giveUp(
      deps,
      all.filter(({ failure }) => failure !== undefined),
    )
    return outcomes(all, running)
  } catch (error) {
    await giveUp(deps, all)
    throw error
  } finally {
    for (const { starting } of all) busy.delete(starting.id)
  }
}

/** Records that the copies run, and lets them be reached. Answers those that nobody deleted meanwhile. */
async function take(deps: SandboxDeps, source: Sandbox, copies: Copy[]): Promise<Sandbox[]> {
  const { store, engine, live, expiry } = deps
  const pairs = copies.flatMap(({ starting, started }) =>
    started?.status === 'fulfilled'
      ? [{ ...started.value, id: starting.id, instanceId: started.value.instance.id }]
      : [],
  )
  if (pairs.length === 0) return []
  const running = await store.markForked(source, pairs)
  for (const { id, instance } of pairs) {
    const recorded = running.find((sandbox) => sandbox.id === id)
    if (!recorded) {
      await engine.stop(instance.id) // deleted while it started
      continue
    }
    live.set(id, { accountId: source.accountId, instance })
    deps.meter.begins(id, instance)
    watchExit(deps, id, instance)
    expiry.consider(recorded.expiresAt)
    await catchUp(deps, recorded)
  }
  return running
}

/** Nothing is left of them. */
async function giveUp({ store, engine, logger }: SandboxDeps, copies: Copy[]): Promise<void> {
  for (const { starting, started } of copies) {
    if (started?.status !== 'fulfilled') continue
    const { id } = started.value.instance
    await engine.stop(id).catch((err) => logger.error({ err, sandbox: starting.id, instance: id }, 'stop failed'))
  }
  for (const { starting } of copies)
    await store.release(starting.id).catch((err) => logger.error({ err, sandbox: starting.id }, 'release failed'))
}

function outcomes(all: Copy[], running: Sandbox[]): PromiseSettledResult<Sandbox>[] {
  return all.flatMap(({ starting, failure }): PromiseSettledResult<Sandbox>[] => {
    if (failure !== undefined) return [{ status: 'rejected', reason: failure }]
    const value = running.find(({ id }) => id === starting.id)
    return value ? [{ status: 'fulfilled', value }] : []
  })
}

function copyOf(source: Sandbox, { timeout, metadata }: ForkSandbox, now: Date): Sandbox {
  return {
    ...source,
    id: newId('s'),
    state: 'starting',
    metadata: metadata ?? source.metadata,
    createdAt: now,
    expiresAt: new Date(now.getTime() + (timeout ?? 300) * 1000),
    runtime: undefined,
    instanceId: undefined,
    warm: false,
    lifecycle: { ...source.lifecycle, timeoutSeconds: timeout ?? 300 },
  }
}
