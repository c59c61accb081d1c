import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { checkAgents } from './check-agents.ts'

function sandboxWhoseAgent(answers: () => boolean) {
  const told: string[] = []
  const instance = { id: 'i1', answers: async () => answers() }
  const deps = {
    live: new Map([['s1', { accountId: 'org0', instance }]]),
    busy: new Set<string>(),
    store: { markFailed: async (id: string, reason: string) => told.push(`${id} ${reason}`) },
    engine: { stop: async (id: string) => void told.push(`stop ${id}`) },
    logger: { warn: () => {}, error: () => assert.fail('failed') },
  }
  const check = async () => {
    checkAgents(deps as never)
    for (let i = 0; i < 10; i++) await turn()
  }
  return { told, deps, check }
}

test('a sandbox whose agent is silent three times in a row fails, is ended and forgotten', async () => {
  const { told, deps, check } = sandboxWhoseAgent(() => false)
  await check()
  await check()
  assert.deepEqual(told, [])
  await check()
  assert.deepEqual(told, ['s1 agent_unresponsive', 'stop i1'])
  assert.equal(deps.live.size, 0)
})

test('an answer in between counts as a new beginning', async () => {
  let asked = 0
  const { told, check } = sandboxWhoseAgent(() => ++asked % 3 === 0)
  for (let i = 0; i < 12; i++) await check()
  assert.deepEqual(told, [])
})
