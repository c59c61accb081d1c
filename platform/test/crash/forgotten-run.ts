import assert from 'node:assert/strict'
import pg from 'pg'
import { type Answer, type Platform, until } from '../platform.ts'
import type { Verb } from './verbs.ts'

const call = (name: string, args: object) => ({ calls: [{ name, arguments: args }] })

/** A run whose disk is saved, its fork, and that both are forgotten: nothing that was saved for them stays. */
export function forgottenRun(): Verb {
  const agent = {
    name: 'saved',
    model: 'scripted',
    tools: ['write_file', 'ask_human'],
    script: [
      call('write_file', { path: 'a.txt', content: 'a' }),
      call('write_file', { path: 'b.txt', content: 'b' }),
      call('ask_human', { question: 'Well?' }),
      { text: 'Done.' },
    ],
  }
  return {
    name: 'a run with snapshots, its fork and its rollback, until they are forgotten',
    own: /^agent\.(?:reserve_snapshot|let_go_snapshots|forget_snapshot)$/,
    async act(platform) {
      const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'Write.' })
      await untilWaiting(platform, runId)
      const fork = await platform.json('POST', `/v1/runs/${runId}/fork`, { at: 1 })
      await untilWaiting(platform, fork.runId)
      await platform.json('POST', `/v1/runs/${runId}/rollback`, { at: 1 })
      await untilWaiting(platform, runId)
      await untilForgotten(platform)
    },
    settled: untilForgotten,
  }
}

function untilWaiting(platform: Platform, runId: string): Promise<unknown> {
  return untilAlive(platform, `run ${runId} waits`, async () => {
    const { state, reason } = await platform.json('GET', `/v1/runs/${runId}`)
    assert.ok(['queued', 'running', 'waiting'].includes(state), `${state}, ${reason}`)
    return state === 'waiting'
  })
}

/** Ends whatever there is of such runs, a while ago. */
async function untilForgotten(platform: Platform): Promise<void> {
  await untilAlive(platform, 'there are no such runs', async () => {
    const { runs } = await platform.json('GET', '/v1/runs?agent=saved')
    for (const { runId, state } of runs as Answer[])
      if (state === 'waiting') await platform.call('POST', `/v1/runs/${runId}/cancel`)
    await endLongAgo(platform)
    return runs.length === 0
  })
  await untilAlive(platform, 'nothing that was saved is left', async () => {
    return (await platform.json('GET', '/v1/snapshots')).snapshots.length === 0
  })
}

async function endLongAgo({ home }: Platform): Promise<void> {
  const database = new pg.Client({ host: `${home}/postgres/data`, user: 'warren', database: 'postgres' })
  await database.connect()
  try {
    await database.query(
      `update agent_runs set ended_at = now() - interval '1 hour' where agent = 'saved' and ended_at > now() - interval '10 minutes'`,
    )
  } finally {
    await database.end()
  }
}

async function untilAlive(platform: Platform, what: string, holds: () => Promise<boolean>): Promise<void> {
  let isDead = false
  await until(
    what,
    async () => {
      isDead = platform.process.signalCode !== null
      return isDead || (await holds())
    },
    60_000,
  )
  if (isDead) throw new Error('the platform has died')
}
