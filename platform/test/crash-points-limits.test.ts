import { test } from 'node:test'
import { crashEverywhere, crashing, withRig } from './crash/everywhere.ts'
import { prepareFunctions, workersOf } from './crash/function-verbs.ts'
import { egressVerb, quotaVerbs } from './crash/quota-verbs.ts'
import { giveUpVerb } from './crash/webhook-verbs.ts'

const needsRoot = process.getuid?.() !== 0 && 'needs root, for its containers and control groups'

test('killed while quotas are taken and given back, and deliveries are given up', {
  ...crashing,
  skip: needsRoot,
}, async (t) => {
  const env = { WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '1', WARREN_FUNCTION_DRIVER: 'namespaces' }
  await withRig(t, { ...env, WARREN_ISOLATION: 'namespaces', WARREN_WEBHOOK_OPEN: '127.0.0.0/8' }, async (rig) => {
    await prepareFunctions(rig.platform)
    rig.workers = () => workersOf(rig.platform)
    for (const verb of [...quotaVerbs(), egressVerb(), giveUpVerb()]) await crashEverywhere(t, rig, verb)
  })
})
