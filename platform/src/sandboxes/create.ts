import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { type CreateSandbox, newSandbox, type Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'
import { watchExit } from './watch-exit.ts'

/** Starts a sandbox for `account`. If it rejects, nothing runs and nothing is recorded. */
export async function createSandbox(
  deps: SandboxDeps,
  account: Account,
  input: CreateSandbox,
  signal: AbortSignal,
): Promise<Sandbox> {
  const { engine, store, templates, config, now, busy, logger } = deps
  await templates.find(input.template ?? 'base')
  const starting = newSandbox(account, input, config, now())
  let instanceId: string | undefined

  busy.add(starting.id)
  try {
    await store.reserve(starting, account.maxSandboxes) // atomic: two callers cannot both take the last place
    const { instance, runtime, warm } = await engine.start(
      {
        owner: starting.id,
        template: starting.template,
        limits: starting.limits,
        env: input.env ?? {},
        network: starting.network,
        ...(input.isolation ? { isolation: input.isolation } : {}),
      },
      signal,
    )
    instanceId = instance.id
    signal.throwIfAborted()
    const running = await store.markRunning(starting, {
      instanceId: instance.id,
      runtime,
      warm,
      network: starting.network,
    })
    if (!running) throw new WarrenError('conflict', `sandbox ${starting.id} was deleted while it started`)

    deps.live.set(running.id, { accountId: account.id, instance })
    watchExit(deps, running.id, instance)
    deps.expiry.consider(running.expiresAt)
    return running
  } catch (error) {
    if (instanceId)
      await engine.stop(instanceId).catch((cause) => logger.error({ err: cause, sandbox: starting.id }, 'stop failed'))
    // When the database is away too, the record is settled by the next sweep: it is no longer busy.
    await store
      .release(starting.id)
      .catch((cause) => logger.error({ err: cause, sandbox: starting.id }, 'release failed'))
    throw signal.aborted ? cancelled(error) : error
  } finally {
    busy.delete(starting.id)
  }
}

function cancelled(cause: unknown): WarrenError {
  return new WarrenError('timeout', 'the caller went away before the sandbox was ready', { cause })
}
