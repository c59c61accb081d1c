import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Account } from '../accounts/account.ts'
import type { Instance } from '../engine/engine.ts'
import { runStartCommand } from '../engine/start-command.ts'
import { WarrenError } from '../errors.ts'
import { inRoom } from '../lib/in-room.ts'
import type { StartingPoint } from '../templates/templates.ts'
import { getSnapshot } from './get-snapshot.ts'
import { armedPolicy, recordedPolicy } from './outgoing.ts'
import { quotasOf } from './quotas-of.ts'
import { catchUp } from './renew-secret.ts'
import { type CreateSandbox, newSandbox, type Runtime, type Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'
import type { Snapshot } from './snapshot.ts'
import { checkMountPaths, type MountedVolume } from './volumes.ts'
import { watchExit } from './watch-exit.ts'

/** How long the program of a template may take until it is ready, and how often it is asked, milliseconds. */
const readyMs = 60_000
const askEveryMs = 100

/** Starts a sandbox for `account`. If it rejects, nothing runs and nothing is recorded. */
export async function createSandbox(
  deps: SandboxDeps,
  account: Account,
  input: CreateSandbox,
  signal: AbortSignal,
): Promise<Sandbox> {
  const { engine, store, templates, config, now, busy, logger } = deps
  deps.mayStart(account.id)
  const snapshot = input.snapshot === undefined ? undefined : await snapshotOf(deps, account, input)
  const point = await templates.find(account, snapshot?.template ?? input.template ?? 'base', signal)
  const volumes = await mountsOf(deps, account, input)
  const defaultLimits = snapshot?.limits ?? { ...config.defaultLimits, ...point.limits }
  const network = await recordedPolicy(deps, account.id, input.network)
  const recorded = newSandbox(account, { ...input, template: point.name }, { network, defaultLimits }, now())
  const starting = { ...recorded, volumes }
  let instanceId: string | undefined

  busy.add(starting.id)
  // Atomic: two callers cannot both take the last place.
  const giveWay = () => deps.giveWay(account.id)
  const reserved = inRoom(() => store.reserve(starting, quotasOf(deps, account)), giveWay)
  reserved.catch(() => {}) // what comes before it is waited for may fail first
  try {
    const { instance, runtime, warm } = await start(deps, { starting, input, snapshot, point, reserved }, signal)
    instanceId = instance.id
    signal.throwIfAborted()
    checkLifecycle(instance, starting)
    const started = {
      instanceId: instance.id,
      runtime,
      warm,
      network: starting.network,
      lifecycle: starting.lifecycle,
      volumes,
      gpu: instance.spec.gpu === true,
      ...(snapshot ? { from: { snapshot: snapshot.id } } : {}),
    }
    // While the database works: what was used until here is nobody's.
    const begun = nextTurn().then(() => deps.meter.begins(starting.id, instance))
    const [running] = await Promise.all([store.markRunning(starting, started), begun])
    if (!running) throw new WarrenError('conflict', `sandbox ${starting.id} was deleted while it started`)

    deps.live.set(running.id, { accountId: account.id, instance })
    watchExit(deps, running.id, instance)
    deps.expiry.consider(running.expiresAt)
    await catchUp(deps, running)
    return running
  } catch (error) {
    if (instanceId)
      await engine.stop(instanceId).catch((cause) => logger.error({ err: cause, sandbox: starting.id }, 'stop failed'))
    await reserved.catch(() => {})
    // When the database is away too, the record is settled by the next sweep: it is no longer busy.
    await store
      .release(starting.id)
      .catch((cause) => logger.error({ err: cause, sandbox: starting.id }, 'release failed'))
    throw signal.aborted ? cancelled(error) : error
  } finally {
    busy.delete(starting.id)
  }
}

/** A promise that its runtime cannot keep is refused at once, not when its time is over. */
function checkLifecycle({ driver }: Instance, { lifecycle }: Sandbox): void {
  if (lifecycle.onTimeout !== 'pause') return
  const { pause, snapshot } = driver.capabilities()
  const promise = lifecycle.keepMemory ? pause : snapshot
  if (!('absent' in promise)) return
  throw new WarrenError(
    'invalid_request',
    `onTimeout "pause" is not possible: a sandbox of ${driver.name} cannot be paused ${lifecycle.keepMemory ? '' : 'with its files alone '}here: ${promise.absent}`,
  )
}

/** From the beginning, or from where a snapshot was taken. */
async function start(
  deps: SandboxDeps,
  given: {
    starting: Sandbox
    input: CreateSandbox
    snapshot: Snapshot | undefined
    point: StartingPoint
    /** Nothing that costs may be done before. */
    reserved: Promise<void>
  },
  signal: AbortSignal,
): Promise<{ instance: Instance; runtime: Runtime; warm: boolean }> {
  const { starting, input, snapshot, point, reserved } = given
  const { engine } = deps
  const { id: owner, limits, volumes } = starting
  const network = await armedPolicy(deps, starting)
  if (snapshot) {
    await reserved
    return { ...(await engine.saved.restore(snapshot.id, { owner, env: input.env, network }, signal)), warm: false }
  }
  const { isolation, env = {} } = input
  const request = {
    owner,
    permitted: reserved,
    template: point.template,
    limits,
    env,
    network,
    volumes,
    ...(isolation ? { isolation } : {}),
    ...(point.start ? { begun: true } : {}),
  }
  const started = await engine.start(request, signal)
  if (!point.start || started.begun) return started
  try {
    await runStartCommand(started.instance, point.start, { patienceMs: readyMs, everyMs: askEveryMs }, signal)
    return started
  } catch (error) {
    await engine.stop(started.instance.id)
    throw error
  }
}

/** The volumes that are asked for. */
async function mountsOf(
  { volumes }: SandboxDeps,
  account: Account,
  { volumes: asked = [], snapshot }: CreateSandbox,
): Promise<MountedVolume[]> {
  if (asked.length === 0) return []
  if (snapshot !== undefined)
    throw new WarrenError('invalid_request', 'volumes cannot be chosen together with a snapshot')
  checkMountPaths(asked)
  return volumes(account, asked)
}

/** The snapshot that is asked for, which brings what a request may not ask for otherwise. */
function snapshotOf(deps: SandboxDeps, account: Account, input: CreateSandbox): Promise<Snapshot> {
  const { snapshot: id = '', limits, isolation, template } = input
  const given = Object.entries({ limits, isolation }).find(([, value]) => value !== undefined)?.[0]
  if (given || (template !== undefined && template !== 'base'))
    throw new WarrenError(
      'invalid_request',
      `${given ?? 'template'} cannot be chosen together with a snapshot, which brings its own`,
    )
  return getSnapshot(deps, account, id)
}

function cancelled(cause: unknown): WarrenError {
  return new WarrenError('timeout', 'the caller went away before the sandbox was ready', { cause })
}
