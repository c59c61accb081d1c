import { newId } from '../lib/id.ts'
import { getSandbox } from './get.ts'
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
  { account, id }: Subject,
  input: ForkSandbox,
  signal: AbortSignal,
): Promise<Sandbox[]> {
  const { store, engine, busy, live, expiry, logger } = deps
  const instance = await runningInstance(deps, account, id)
  const source = await getSandbox(deps, account, id)
  const copies = Array.from({ length: input.count ?? 1 }, () => copyOf(source, input, deps.now()))
  const instanceIds: string[] = []

  for (const copy of copies) busy.add(copy.id)
  try {
    for (const copy of copies) await store.reserve(copy, account.maxSandboxes)
    const requests = copies.map((copy) => ({ owner: copy.id, env: input.env, network: source.network }))
    const started = await engine.saved.fork(instance.id, requests, signal)
    instanceIds.push(...started.map((copy) => copy.instance.id))
    signal.throwIfAborted()
    const pairs = copies.map((copy, at) => ({ ...started[at]!, id: copy.id, instanceId: started[at]!.instance.id }))
    const running = await store.markForked(source, pairs)

    for (const { id: copyId, instance: copy } of pairs) {
      const recorded = running.find((sandbox) => sandbox.id === copyId)
      if (!recorded) {
        await engine.stop(copy.id) // deleted while it started
        continue
      }
      live.set(copyId, { accountId: account.id, instance: copy })
      watchExit(deps, copyId, copy)
      expiry.consider(recorded.expiresAt)
    }
    return running
  } catch (error) {
    for (const instanceId of instanceIds)
      await engine.stop(instanceId).catch((err) => logger.error({ err, instance: instanceId }, 'stop failed'))
    for (const copy of copies)
      await store.release(copy.id).catch((err) => logger.error({ err, sandbox: copy.id }, 'release failed'))
    throw error
  } finally {
    for (const copy of copies) busy.delete(copy.id)
  }
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
  }
}
