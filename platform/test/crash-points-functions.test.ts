import { test } from 'node:test'
import { crashEverywhere, crashing, withRig } from './crash/everywhere.ts'
import { functionVerbs, prepareFunctions, workersOf } from './crash/function-verbs.ts'

const needsRoot = process.getuid?.() !== 0 && 'needs root, for its containers and control groups'

test('killed between any two steps, functions lose no call and make none twice, and nothing is left', {
  ...crashing,
  skip: needsRoot,
}, async (t) => {
  const env = { WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '1', WARREN_FUNCTION_DRIVER: 'namespaces' }
  await withRig(t, { ...env, WARREN_ISOLATION: 'namespaces' }, async (rig) => {
    await prepareFunctions(rig.platform)
    rig.workers = () => workersOf(rig.platform)
    for (const verb of functionVerbs()) await crashEverywhere(t, rig, verb)
  })
})
