import { test } from 'node:test'
import { agentVerbs } from './crash/agent-verbs.ts'
import { crashEverywhere, crashing, withRig } from './crash/everywhere.ts'
import { forgottenRun } from './crash/forgotten-run.ts'

test('killed at any write of a run, nothing of it is lost and nothing is done twice', crashing, async (t) => {
  await withRig(t, { WARREN_POOL_SIZE: '0', WARREN_MCP_OPEN: '127.0.0.0/8' }, async (rig) => {
    for (const verb of await agentVerbs()) await crashEverywhere(t, rig, verb)
  })
})

test('killed while snapshots of runs come and go, none is left once the runs are forgotten', crashing, async (t) => {
  // Every few seconds what ended three minutes ago is looked for; events are needed for as long as a crash takes.
  await withRig(t, { WARREN_POOL_SIZE: '0', WARREN_HISTORY_HOURS: '0.05' }, async (rig) => {
    await crashEverywhere(t, rig, forgottenRun())
  })
})
