import type { Account } from '../accounts/account.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { AuditEntry } from '../audit/entry.ts'
import type { Config } from '../config.ts'
import type { Engine, Instance } from '../engine/engine.ts'
import type { GatewayStatus } from '../engine/network/messages.ts'
import { appendEvent } from '../events/outbox.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Quotas } from '../quotas/quotas.ts'
import type { Sampled, Sandboxes } from '../sandboxes/sandboxes.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { applyEgressQuota } from './apply-egress-quota.ts'
import { type Finding, Signs } from './signs.ts'

interface WatchDeps {
  db: Database
  audit: Pick<AuditLog, 'tell'>
  engine: Pick<Engine, 'network'>
  sandboxes: Pick<Sandboxes, 'onSample' | 'pause' | 'renewNetwork'>
  quotas: Pick<Quotas, 'isEgressUsedUp'>
  /** By the id of the account. */
  accountOf: (id: string) => Promise<Account>
  config: Pick<Config, 'abuse'>
  now: () => Date
  logger: Logger
}

interface Watched {
  signs: Signs
  instance: Instance
  looks: number
}

/** The network is asked about once in so many looks: its answer holds a log. */
const looksPerNetwork = 3
const minuteMs = 60_000
const throttledShare = 0.1
/** With less its agent answers too late to be taken for alive, in cores. */
const leastCores = 0.05
/** How long what is paused by rule is kept for its owner to look at, seconds. */
const keptSeconds = 7 * 86_400

/**
 * Looks at what is measured of sandboxes anyway for the signs of abuse, records each that it sees, and does what the rule says.
 * Applies the quota of what they send in a day. Answers with what ends it.
 */
export function watchAbuse(deps: WatchDeps): () => void {
  const watched = new WeakMap<Instance, Watched>()
  return deps.sandboxes.onSample(async (sample) => {
    const { instance } = sample
    const known = watched.get(instance) ?? { signs: new Signs(deps.config.abuse), instance, looks: 0 }
    watched.set(instance, known)
    const status = known.looks++ % looksPerNetwork === 0 ? await deps.engine.network.status(instance) : undefined
    await applyEgressQuota(deps, sample)
    const atMs = deps.now().getTime()
    const { cpuUsedPct, usage } = sample.measurement
    const findings = known.signs.see({
      atMs,
      cpuUsedPct,
      processes: usage?.processes ?? 0,
      maxProcesses: instance.limits.maxProcesses,
      ...(status
        ? { network: { bytesSent: status.counters.bytesSent, refused: refusedSince(status, atMs - minuteMs) } }
        : {}),
    })
    for (const finding of findings) await answer(deps, sample, finding)
  })
}

/** The record first: what is done to a sandbox can always be explained. */
async function answer(deps: WatchDeps, sampled: Sampled, finding: Finding) {
  const { db, sandboxes, accountOf, config, logger } = deps
  const { id, accountId, instance } = sampled
  const { rule } = config.abuse
  const requestId = newId('r')
  const tell = (action: string, outcome: AuditEntry['outcome']) => {
    const who = { actorKind: 'platform', actor: 'abuse', subject: id, address: '', requestId }
    deps.audit.tell(accountId, { at: deps.now().getTime(), ...who, action, outcome, details: { ...finding, rule } })
  }
  logger.warn({ sandbox: id, ...finding, rule, requestId }, 'a sandbox looks abused')
  tell('abuse.detect', 'done')
  await step('abuse.detect', id, () =>
    db.transaction((tx) =>
      appendEvent(tx, { type: 'abuse.detected', accountId, subject: id, data: { ...finding, rule } }),
    ),
  )
  const told = (action: string, work: Promise<unknown>) =>
    work.then(
      () => tell(action, 'done'),
      (error) => {
        tell(action, 'failed')
        throw error
      },
    )
  const slow = () => told('sandbox.throttle', throttle(instance))
  if (rule === 'throttle') return slow()
  if (rule !== 'pause') return
  try {
    const account = await accountOf(accountId)
    await told('sandbox.pause', sandboxes.pause({ account, id }, { timeout: keptSeconds }))
  } catch (error) {
    logger.warn({ err: error, sandbox: id }, 'a sandbox that looks abused could not be paused, and is throttled')
    await slow()
  }
}

/** Until it ends, or is paused and resumed. */
function throttle(instance: Instance): Promise<void> {
  const { limits } = instance
  return instance.setLimits({ ...limits, cpuCores: Math.max(leastCores, limits.cpuCores * throttledShare) })
}

/** How many different addresses and ports were refused since then, of those that the log still has. */
function refusedSince({ log }: GatewayStatus, sinceMs: number): number {
  const refused = log.filter(
    ({ kind, verdict, at }) => kind === 'connection' && verdict === 'refused' && Date.parse(at) >= sinceMs,
  )
  return new Set(refused.map(({ address, port }) => `${address}:${port}`)).size
}
