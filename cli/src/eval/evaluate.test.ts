import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Warren } from '@warren/sdk'
import { evaluate } from './evaluate.ts'

test('a case that cannot be started has failed, and the others have their results', async () => {
  const done = { runId: 'u1', state: 'done', output: '4', steps: 1, usage: { inputTokens: 1, outputTokens: 1, usd: 0 } }
  const runs = {
    start: async (agent: string) => {
      if (agent === 'gone') throw new Error('there is no agent gone')
      return done
    },
    get: async () => done,
    async *follow() {},
  }
  const one = (agent: string) => ({ name: agent, agent, input: '2 + 2', exact: '4' })
  const told: string[] = []
  const options = {
    parallel: 2,
    signal: new AbortController().signal,
    tell: ({ name }: { name: string }) => void told.push(name),
  }
  const suite = { cases: [one('gone'), one('there')], judge: 'judge' }
  const result = await evaluate({ runs } as unknown as Warren, suite as never, options)
  assert.deepEqual([result.passed, result.failed, told.sort()], [1, 1, ['gone', 'there']])
  assert.equal(result.cases[0]!.state, 'failed')
  assert.match(result.cases[0]!.why!, /there is no agent gone/)
})
