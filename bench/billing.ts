import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { takePlan } from '../platform/src/billing/billing-account.ts'
import { invoice } from '../platform/src/billing/close-periods.ts'
import { seedPlans } from '../platform/src/billing/plans.ts'
import { verify } from '../platform/src/billing/verify/verify.ts'
import { recordUsage } from '../platform/src/metering/record-usage.ts'
import { type Database, openDatabase } from '../platform/src/storage/database.ts'
import { createLogger } from '../platform/src/telemetry/logger.ts'
import { billingChaos } from '../platform/test/billing/chaos.ts'

export interface BillingReport {
  bench: 'billing'
  at: string
  ingest: { facts: number; perSecond: number; target: number; met: boolean }
  invoice: { facts: number; seconds: number; targetSeconds: number; met: boolean; referenceScanSeconds: number }
  verification: { seconds: number; difference: number; facts: number; invoices: number; postings: number }
  chaos: { kills: number; difference: number; facts: number; invoices: number; postings: number } | undefined
}

const targets = { perSecond: 10_000, invoiceSeconds: 10 }

/** Facts recorded and invoiced in a database of its own, and money looked after while its worker is killed. */
export async function benchBilling(options: {
  quick: boolean
  kills: number
  tell: (line: string) => void
}): Promise<BillingReport> {
  const home = await mkdtemp(join(tmpdir(), 'warren-bench-'))
  const db = await openDatabase({ home, databaseUrl: undefined, logger: createLogger('warn') })
  try {
    return await measure(db, options)
  } finally {
    await db.close()
    rmSync(home, { recursive: true, force: true })
  }
}

async function measure(
  db: Database,
  { quick, kills, tell }: { quick: boolean; kills: number; tell: (line: string) => void },
): Promise<BillingReport> {
  const deps = { db, now: () => new Date() }
  await seedPlans(db, new Date())
  await takePlan(deps, 'bench', { plan: 'basic', currency: 'USD' })
  const [ingested, invoiced] = quick ? [20_000, 50_000] : [200_000, 1_000_000]
  tell(`recording ${ingested} facts`)
  const batches = Array.from({ length: ingested / 1000 }, (_, batch) => facts(batch * 1000, 1000))
  const ingestSeconds = await seconds(async () => {
    for (const batch of batches) await db.transaction((tx) => recordUsage(tx, batch))
  })
  tell(`filling up to ${invoiced} facts`)
  await db.pool.query(
    `insert into usage_facts (key, account_id, kind, subject, started_at, ended_at, cpu_ms, memory_mb_ms, disk_mb_ms,
       network_in_bytes, network_out_bytes)
     select 'fill-' || n, 'bench', 'sandbox', 's' || n % 1000, now() - interval '1 hour', now(), n % 100000, n, n, n, n
     from generate_series(1, $1::integer) n`,
    [invoiced - ingested],
  )
  await db.pool.query('vacuum analyze usage_facts')
  const referenceScanSeconds = await seconds(() => db.pool.query('select sum(cpu_ms) from usage_facts'))
  tell('invoicing')
  const invoiceSeconds = await seconds(() => invoice(deps, 'bench', new Date()))
  tell('verifying')
  let checked = await verify(db)
  const verifySeconds = await seconds(async () => {
    checked = await verify(db)
  })
  const { differences, lines, payments, ...verification } = checked
  const after = kills > 0 ? await billingChaos(db, { kills, tell }) : undefined
  return {
    bench: 'billing',
    at: new Date().toISOString(),
    ingest: {
      facts: ingested,
      perSecond: Math.round(ingested / ingestSeconds),
      target: targets.perSecond,
      met: ingested / ingestSeconds >= targets.perSecond,
    },
    invoice: {
      facts: invoiced,
      seconds: invoiceSeconds,
      targetSeconds: targets.invoiceSeconds,
      met: invoiceSeconds <= targets.invoiceSeconds && invoiced === 1_000_000,
      referenceScanSeconds,
    },
    verification: { seconds: verifySeconds, ...verification },
    chaos: after && {
      kills,
      difference: after.difference,
      facts: after.facts,
      invoices: after.invoices,
      postings: after.postings,
    },
  }
}

function facts(from: number, count: number) {
  const endedAt = new Date()
  return Array.from({ length: count }, (_, index) => ({
    key: `bench-${from + index}`,
    accountId: 'bench',
    kind: 'sandbox' as const,
    subject: `s${(from + index) % 1000}`,
    startedAt: new Date(endedAt.getTime() - 60_000),
    endedAt,
    cpuMs: index,
    memoryMbMs: index * 1000,
    networkOutBytes: index,
  }))
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}
