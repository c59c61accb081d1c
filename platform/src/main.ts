import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { watchAbuse } from './abuse/watch.ts'
import { createAccounts } from './accounts/accounts.ts'
import { adminKey } from './accounts/admin-key.ts'
import { nounsHeardBy } from './accounts/event-permissions.ts'
import { operatorsId } from './accounts/organisations.ts'
import { nounsHeardFor } from './accounts/standing.ts'
import { accountsSeed, tokenSeed } from './accounts/token-seed.ts'
import { createAgentRuns } from './agents/runs.ts'
import { AuditLog } from './audit/audit-log.ts'
import { AuditJournal } from './audit/journal.ts'
import { sandboxBank } from './billing/bank/sandbox-bank.ts'
import { openBilling } from './billing/billing.ts'
import { stripe } from './billing/payments/stripe.ts'
import { openBuckets } from './buckets/buckets.ts'
import { type Config, readConfig } from './config.ts'
import { openEngine } from './engine/open-engine.ts'
import { WarrenError } from './errors.ts'
import { eventFeed } from './events/feed.ts'
import { openEvents } from './events/open-events.ts'
import { forgetEvents } from './events/outbox.ts'
import { createFunctions } from './functions/functions.ts'
import { cannotListen } from './http/cannot-listen.ts'
import { MemoryLimiter } from './http/gateway/memory-limiter.ts'
import { RedisLimiter } from './http/gateway/redis-limiter.ts'
import { issuerOf, publicUrl } from './http/public-url.ts'
import { buildServer } from './http/server.ts'
import { givenCredentials, ownCredentials, type TlsCredentials } from './http/tls/credentials.ts'
import { IdentityTokens } from './identity/identity-tokens.ts'
import { claimFolder } from './lib/claim-folder.ts'
import { newId } from './lib/id.ts'
import { keptSecret } from './lib/kept-secret.ts'
import { keptSeal } from './lib/seal.ts'
import { step } from './lib/step.ts'
import { Meter } from './metering/meter.ts'
import { MeteredNetworks } from './metering/metered-networks.ts'
import { readUsage } from './metering/read-usage.ts'
import { recordUsage } from './metering/record-usage.ts'
import { followSecrets } from './nodes/follow-secrets.ts'
import { checkPlatform, joinPlatform } from './nodes/join.ts'
import { Nodes } from './nodes/nodes.ts'
import { createQuotas } from './quotas/quotas.ts'
import { claimForecasts } from './sandboxes/claim-forecast.ts'
import { createSandboxes } from './sandboxes/sandboxes.ts'
import { createSecrets } from './secrets/secrets.ts'
import { refuseUnfinishedRestore } from './storage/backup/unfinished.ts'
import { type Database, openDatabase } from './storage/database.ts'
import { holdDatabase } from './storage/hold-database.ts'
import { startRetention } from './storage/retention.ts'
import { createLogger, type Logger } from './telemetry/logger.ts'
import { LokiPush } from './telemetry/loki-push.ts'
import { Metrics } from './telemetry/metrics.ts'
import type { OtlpExporter } from './telemetry/otlp-exporter.ts'
import { takeSpans } from './telemetry/spans.ts'
import { imagePuller } from './templates/registry/image-puller.ts'
import { Templates } from './templates/templates.ts'
import { createVolumes } from './volumes/volumes.ts'
import { createWebhooks } from './webhooks/webhooks.ts'
import { greet } from './welcome.ts'

const guestBinary = fileURLToPath(new URL('../../guest/target/release/warren-guest', import.meta.url))

/** A signal often comes twice, from the terminal and from npm: only one that comes later than this ends us at once, ms. */
const patienceMs = 3000

/** What has been opened, to be closed in the opposite order. */
const opened = new AsyncDisposableStack()
let stoppingSince: number | undefined
/** Aborts when a signal came. */
const ending = new AbortController()

const started = start()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(signal))
try {
  await started
} catch (error) {
  tell(error)
  await close()
  process.exit(1)
}

/** Wires the platform, starts it and tells the operator. Returns when it serves; a signal ends it. */
async function start(): Promise<void> {
  const config = readConfig()
  const loki = config.loki.url === undefined ? undefined : new LokiPush({ ...config.loki, url: config.loki.url })
  const logger = createLogger(config.logLevel, undefined, undefined, (line) => loki?.add(line))
  loki?.warnBy(logger)
  opened.defer(async () => loki?.close())
  const traces = await exportTraces(config, logger)
  await step('home.make', config.home, () => mkdir(config.home, { recursive: true, mode: 0o700 }))
  await refuseUnfinishedRestore(config.home)
  const key = await adminKey(config.home)
  const seed = await tokenSeed(config.home)
  const seal = await keptSeal(config.home)
  const signingSeed = await accountsSeed(config.home)
  // Two platforms that take up the same sandboxes would destroy them.
  const release = await step('home.claim', config.home, async () => claimFolder(config.home))
  opened.defer(() => step('home.release', config.home, async () => release()))

  // A worker runs sandboxes and nothing else; the platform does what is done once, and runs sandboxes too.
  const isWorker = config.node.role === 'worker'
  if (isWorker && !config.databaseUrl)
    throw new WarrenError('invalid_request', 'WARREN_NODE=worker needs DATABASE_URL, that of the platform')
  const node = isWorker ? await keptSecret(join(config.home, 'node.id'), () => newId('n')) : undefined
  const reached = openDatabase({ ...config, node, logger }).then(async (db) => {
    opened.defer(() => db.close())
    // Our own PostgreSQL is in the folder that is ours.
    if (!config.databaseUrl) return db
    if (isWorker) await checkPlatform(db, config.home)
    if (isWorker) return db
    const letGo = await holdDatabase({ db, home: config.home, logger, signal: ending.signal, onLost: giveUp })
    opened.defer(letGo)
    return db
  })
  const forecast = claimForecasts()
  const engineOptions = { ...config, guestBinary, forecast, parallelStarts: config.parallelCreates, log: logger }
  const [database, opening] = await Promise.allSettled([
    reached,
    // Whoever stands by starts nothing.
    config.databaseUrl ? reached.then(() => openEngine(engineOptions)) : openEngine(engineOptions),
  ])
  if (opening.status === 'fulfilled') opened.defer(() => opening.value.close())
  if (database.status === 'rejected') throw database.reason
  if (opening.status === 'rejected') throw opening.reason
  const db = database.value
  const engine = opening.value

  const { bus, close: closeEvents } = await openEvents({ db, config, logger, publishes: !isWorker })
  opened.defer(closeEvents)
  const now = () => new Date()
  const pull = imagePuller(config.registry, guestBinary)
  const quotas = createQuotas({ db, defaults: config.quotas, now })
  const giveWay = (accountId: string) => functions.giveWay(accountId)
  const meter = new Meter({ db, bus, network: engine.network, logger })
  opened.defer(() => meter.close())
  const networks = new MeteredNetworks({ network: engine.network, meter, quotas, logger })
  const building = { pull, hold: quotas.hold, giveWay, networks }
  const templates = await Templates.open({ db, engine, home: config.home, config, ...building, now, logger })
  opened.defer(() => templates.close())
  const audit = new AuditLog({ db, logger, journal: new AuditJournal(join(config.home, 'audit.journal')) })
  opened.defer(() => audit.close())
  await audit.recover()
  let address = `http://${config.host}:${config.port}`
  const accounts = createAccounts({
    ...{ db, now, config, adminKey: key, seed: signingSeed, seal },
    publicUrl: () => publicUrl(config, address),
    tell: (accountId, { userId, action, outcome, client }) => {
      const { address, requestId } = client
      const who = { actorKind: 'user', actor: userId, action, subject: userId }
      audit.tell(accountId, { at: Date.now(), ...who, address, requestId, outcome })
    },
  })
  const secrets = createSecrets({ db, seal, now, changed: (accountId, name) => sandboxes.renewSecret(accountId, name) })
  const volumes = createVolumes({ db, engine, config, now, logger, sandboxesWith: (id) => sandboxes.withVolume(id) })
  const { stripe: atStripe } = config.billing
  const billing = await openBilling({
    db,
    now,
    logger,
    currency: config.billing.currency,
    providers: [
      ...(atStripe.key ? [stripe({ ...atStripe, key: atStripe.key })] : []),
      ...(config.billing.sandboxBank ? [sandboxBank({ db, now, secret: seed })] : []),
    ],
    bankSecret: seed,
    recordUsage,
    worksAlone: !isWorker,
  })
  opened.defer(() => billing.close())
  const identities = new IdentityTokens({ seed, issuer: () => issuerOf(config, address), now })
  const sandboxes = createSandboxes({
    db,
    engine,
    meter,
    templates,
    volumes: volumes.mounts,
    seal,
    revealSecrets: secrets.reveal,
    isEgressUsedUp: quotas.isEgressUsedUp,
    checkIdentity: () => identities.check(),
    mintIdentity: (bearer, audience) => identities.mint(bearer, audience),
    config,
    now,
    logger,
    node,
    accountOf: (id) => accounts.organisations.get(id),
    ...{ mayStart: billing.mayStart, giveWay },
  })
  opened.defer(() => sandboxes.close())
  const buckets = await openBuckets({
    ...{ db, home: config.home, seed, config, now, logger },
    publicUrl: () => publicUrl(config, address),
  })
  const functions = createFunctions({
    ...{ db, engine, home: config.home },
    ...{ calls: quotas.calls, hold: quotas.hold, networks, recordUsage, bus },
    bucketOf: buckets.find,
    heardNouns: nounsHeardBy({ role: 'developer', scopes: undefined }),
    resolveSecrets: secrets.resolve,
    ...{ mayStart: billing.mayStart, stopped: billing.stopped },
    ...{ config, now, logger },
  })
  if (isWorker) opened.defer(await followSecrets({ db, bus, logger, renew: sandboxes.renewSecret }))
  await sandboxes.recover()
  if (!isWorker) {
    await quotas.recover()
    await functions.start()
    opened.defer(() => functions.close())
  }
  opened.defer(
    watchAbuse({
      ...{ db, audit, engine, sandboxes, quotas, config, now, logger },
      accountOf: (id) => accounts.organisations.get(id),
    }),
  )
  if (!isWorker) {
    await buckets.recover()
    opened.defer(() => buckets.close())
    await templates.recover()
    await volumes.recover()
    await secrets.recover()
    opened.defer(() => volumes.close())
  }
  meter.start({ makesFacts: !isWorker })
  const webhooks = createWebhooks({ db, bus, seed, open: config.webhooks.open, heard: nounsHeardFor, now, logger })
  if (!isWorker) {
    opened.defer(() => webhooks.close())
    webhooks.start()
  }
  const metrics = new Metrics(db, {
    busiest: sandboxes.busiest,
    poolReady: () => engine.poolReady,
    startsWaiting: () => engine.startsWaiting,
    spansDropped: () => traces?.dropped ?? 0,
    ...{ functions: functions.figures, eachFunction: functions.series },
    tellsDatabase: !isWorker,
    logLinesDropped: () => loki?.dropped ?? 0,
  })
  await metrics.start()
  const forgetTold = (before: Date, most: number) => forgetEvents(db, before, most)
  const agentRuns = createAgentRuns({
    db,
    models: config.models,
    home: config.home,
    mcpOpen: config.agents.mcpOpen,
    revealSecrets: secrets.reveal,
    recordUsage,
    ...{ budget: quotas.agentBudget, mayStart: billing.mayStart },
    hands: sandboxes,
    accountOf: (id) => accounts.organisations.get(id),
    now,
    logger,
    secret: seed,
    traceContents: config.otlp.contents,
  })
  if (!isWorker) {
    opened.defer(() => agentRuns.close())
    await agentRuns.recover()
  }
  const forget = [
    sandboxes.forgetEnded,
    accounts.forget,
    functions.forgetEnded,
    quotas.forgetEgress,
    forgetTold,
    webhooks.forget,
    ...agentRuns.forget,
  ]
  if (!isWorker) opened.defer(startRetention({ keepMs: config.historyHours * 3_600_000, forget, now, logger }))
  const nodes = new Nodes({ db, giveUp: sandboxes.giveUpNode, logger })
  if (config.databaseUrl && !isWorker) {
    await nodes.start()
    opened.defer(() => nodes.close())
  }
  const limiter = config.redisUrl ? await RedisLimiter.open({ url: config.redisUrl, logger }) : new MemoryLimiter()
  opened.defer(() => limiter.close())
  const tls = await tlsCredentials(config)
  const server = await buildServer({
    config,
    tls,
    engine,
    sandboxes,
    templates,
    volumes,
    buckets,
    secrets,
    events: eventFeed(db.kysely, bus),
    webhooks,
    metrics,
    usage: (account, query) => readUsage(db, account, query),
    accounts,
    db,
    audit,
    functions,
    quotas,
    limiter,
    billing,
    agentRuns,
    nodes,
    tokenSeed: seed,
    identities,
    isDatabaseUp: () => isUp(db),
    logger,
  })
  opened.defer(async () => {
    await server.drain(config.drainSeconds * 1000)
    await server.close()
  })
  address = await server.listen({ host: config.host, port: config.port }).catch((error) => {
    throw cannotListen(error, config)
  })
  // Those of sandboxes that were taken up name an address at which nobody listened yet.
  await sandboxes.renewIdentities()
  if (node !== undefined)
    opened.defer(await joinPlatform({ db, id: node, address: config.node.address ?? address, onRemoved: takenOut }))

  await greet({
    engine,
    sandboxes,
    account: await accounts.organisations.get(operatorsId),
    address,
    config,
    trust: tls?.trust,
    shownKey: process.stdout.isTTY ? key : undefined,
    print: (line) => process.stdout.write(`${line}\n`),
  })
}

/** Undefined where nobody collects them: then nothing of it is loaded. */
async function exportTraces({ otlp }: Config, logger: Logger): Promise<OtlpExporter | undefined> {
  const { endpoint, headers } = otlp
  if (endpoint === undefined) return undefined
  const { OtlpExporter } = await import('./telemetry/otlp-exporter.ts')
  const exporter = new OtlpExporter({ endpoint, headers, service: 'warren', logger })
  opened.defer(() => exporter.close())
  opened.defer(takeSpans((span) => exporter.add(span)))
  return exporter
}

async function tlsCredentials({ home, domain, tls }: Config): Promise<TlsCredentials | undefined> {
  if (tls) return givenCredentials(tls)
  return domain && ownCredentials(home, domain.name)
}

/** Whether the database answers within a moment. */
async function isUp({ pool }: Database): Promise<boolean> {
  const answer = pool.query('select 1').then(
    () => true,
    () => false,
  )
  return Promise.race([answer, sleep(2000, false, { ref: false })])
}

async function stop(signal: string): Promise<void> {
  if (stoppingSince !== undefined) {
    if (Date.now() - stoppingSince > patienceMs) process.exit(1)
    return
  }
  stoppingSince = Date.now()
  ending.abort()
  process.stderr.write(`warren: ${signal}, stopping; sandboxes live on and are taken up at the next start\n`)
  const failed = await started.then(
    () => false,
    () => true,
  )
  if (failed) return // closes and exits by itself
  process.exit((await close()) ? 0 : 1)
}

/** Another platform may work with the database from now on. Sandboxes live on. */
function giveUp(): void {
  process.stderr.write('warren: the database could not be reached for so long that another platform may work with it\n')
  process.exit(1)
}

/** Its sandboxes are given up: what still runs of them ends when it is started again. */
function takenOut(): void {
  process.stderr.write('warren: the platform has taken this worker out, or another process of this home works\n')
  process.exit(1)
}

/** False when something could not be closed; the reason is told. */
async function close(): Promise<boolean> {
  try {
    await opened.disposeAsync()
    return true
  } catch (error) {
    tell(error)
    return false
  }
}

function tell(error: unknown): void {
  const known = error instanceof WarrenError
  process.stderr.write(`warren: ${known ? error.message : ((error as Error).stack ?? error)}\n`)
  if (known && error.hint) process.stderr.write(`        ${error.hint}\n`)
}
