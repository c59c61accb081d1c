import { test } from 'node:test'
import { agentVerbs } from './crash/agent-verbs.ts'
import { crashEverywhere, crashing, withRig } from './crash/everywhere.ts'

test('killed at any write of a run, nothing of it is lost and nothing is done twice', crashing, async (t) => {
  await withRig(t, { WARREN_POOL_SIZE: '0', WARREN_MCP_OPEN: '127.0.0.0/8' }, async (rig) => {
    for (const verb of await agentVerbs()) await crashEverywhere(t, rig, verb)
  })
})
