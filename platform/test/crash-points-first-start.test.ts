import { test } from 'node:test'
import { crashing, crashStarts, withRig } from './crash/everywhere.ts'

test('killed at any step of its very first start, the platform starts the next time', crashing, async (t) => {
  await withRig(t, {}, (rig) => crashStarts(t, rig, () => rig.removeEverything()))
})
