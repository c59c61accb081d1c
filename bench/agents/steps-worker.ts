import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Account } from '../../platform/src/accounts/account.ts'
import type { AgentSpec } from '../../platform/src/agents/agent.ts'
import { createAgentRuns } from '../../platform/src/agents/runs.ts'
import { recordUsage } from '../../platform/src/metering/record-usage.ts'
import { createQuotas } from '../../platform/src/quotas/quotas.ts'
import { openDatabase } from '../../platform/src/storage/database.ts'
import { createLogger } from '../../platform/src/telemetry/logger.ts'
import type { StepCost } from './steps.ts'

// A process of its own, so that its memory is that of the runs: does one run of so many steps after another and tells what they cost.
const [steps, runs, durability] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]]
const home = await mkdtemp(join(tmpdir(), 'warren-bench-'))
const logger = createLogger('error')
const db = await openDatabase({ home, databaseUrl: undefined, logger })
try {
  const account = { id: 'bench' } as Account
  const now = () => new Date()
  const agentRuns = createAgentRuns({
    db,
    budget: createQuotas({ db, defaults: {}, now }).agentBudget,
    mayStart: () => {},
    models: {
      model: undefined,
      smallModel: undefined,
      fallback: undefined,
      api: 'openai-chat',
      vendor: undefined,
      url: undefined,
      keys: [],
      prices: undefined,
    },
    home,
    mcpOpen: [],
    revealSecrets: async () => [],
    recordUsage,
    // No tool of these runs needs a sandbox.
    hands: {} as never,
    accountOf: () => Promise.resolve(account),
    now,
    logger,
    secret: 'bench',
    traceContents: false,
  })
  const script = Array.from({ length: steps - 1 }, (_, step) => ({
    calls: [{ name: 'calculator', arguments: { expression: `${step} * 17 + 3` } }],
  }))
  const agent: AgentSpec = {
    name: 'bench',
    model: 'scripted',
    instructions: 'You compute.',
    tools: ['calculator'],
    limits: { maxSteps: steps + 1 },
    durability: durability as 'every' | 'effects',
    script: [...script, { text: 'Done.' }],
  }
  let told = () => {}
  db.onTold(() => told())
  const cpu: number[] = []
  const wall: number[] = []
  for (let run = 0; run < runs; run++) {
    const [before, at] = [process.cpuUsage(), performance.now()]
    let isAsked = false
    const { id } = await agentRuns.start(account, { agent, input: 'Compute.' })
    // Asking again and again would be counted too.
    for (;;) {
      const change = new Promise<void>((resolve) => {
        told = resolve
      })
      // That it was made has been told before.
      if (!isAsked) await Promise.race([change, delay(1000, undefined, { ref: false })])
      isAsked = true
      const { state } = await agentRuns.get({ account, id })
      if (state === 'done') break
      if (state !== 'queued' && state !== 'running') throw new Error(`the run is ${state}`)
      await change
    }
    const { user, system } = process.cpuUsage(before)
    cpu.push((user + system) / steps)
    wall.push(((performance.now() - at) * 1000) / steps)
  }
  const { rows } = await db.pool.query<{ bytes: string }>(
    'select sum(octet_length(data::text))::text as bytes from agent_entries',
  )
  await agentRuns.close()
  const cost: StepCost = {
    steps,
    durability: agent.durability!,
    cpuMicroseconds: middle(cpu),
    wallMicroseconds: middle(wall),
    rssMb: peakRssKb() / 1024,
    journalBytes: Number(rows[0]!.bytes) / runs / steps,
  }
  process.stdout.write(JSON.stringify(cost))
} finally {
  await db.close()
  await rm(home, { recursive: true, force: true })
}

/** Of all but the first, which compiles. */
function middle(values: number[]): number {
  const sorted = values.slice(1).sort((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}

/** Of this process alone: what the kernel tells of resources includes whoever started it. */
function peakRssKb(): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1])
}
