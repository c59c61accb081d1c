import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { crashEverywhere, crashing, withRig } from './crash/everywhere.ts'
import { mixOf } from './crash/rig.ts'
import { savedVerbsOf } from './crash/saved-verbs.ts'
import { verbsOf } from './crash/verbs.ts'

const runsc = join(import.meta.dirname, '../../.cache/tools/runsc')
const lacking =
  process.getuid?.() !== 0
    ? 'needs root'
    : process.env.WARREN_TEST_TOOLS === 'no'
      ? 'the tests run without fetched tools'
      : !existsSync(runsc) && 'there is no runsc in .cache/tools; set-up fetches it'

test('killed between any two steps with gVisor, 50 sandboxes lose nothing and nothing is left', {
  ...crashing,
  skip: lacking,
}, async (t) => {
  // gVisor's share of the pool is a twentieth.
  await withRig(t, { WARREN_POOL_SIZE: '20' }, async (rig) => {
    await rig.populate(
      [...mixOf(45, ['namespaces']), ...mixOf(5, ['oci/runsc'])],
      [{ input: mixOf(1, ['oci/runsc'])[0]!, pause: {} }],
    )
    for (const verb of verbsOf('oci/runsc', true)) await crashEverywhere(t, rig, verb)
    await t.test('saved states', crashing, async (t) => {
      for (const verb of savedVerbsOf('oci/runsc', 'memory')) await crashEverywhere(t, rig, verb)
    })
  })
})
