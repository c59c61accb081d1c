import { test } from 'node:test'
import { crashEverywhere, crashing, crashStarts, withRig } from './crash/everywhere.ts'
import { mixOf } from './crash/rig.ts'
import { savedVerbsOf } from './crash/saved-verbs.ts'
import { verbsOf } from './crash/verbs.ts'

const needsRoot = process.getuid?.() !== 0 && 'needs root, for its containers and control groups'

test('killed between any two steps, 50 sandboxes lose nothing and nothing is left', {
  ...crashing,
  skip: needsRoot,
}, async (t) => {
  await withRig(t, { WARREN_ALLOW_UNCONFINED: 'yes' }, async (rig) => {
    await rig.populate(mixOf(50, ['namespaces', 'namespaces', 'namespaces', 'oci/runc', 'unconfined']), [
      { input: mixOf(1, ['oci/runc'])[0]!, pause: {} },
      { input: mixOf(1, ['oci/runc'])[0]!, pause: { memory: false } },
    ])
    for (const driver of ['oci/runc', 'namespaces', 'unconfined']) {
      const isPooled = driver === 'oci/runc'
      await t.test(driver, crashing, async (t) => {
        for (const verb of verbsOf(driver, isPooled)) await crashEverywhere(t, rig, verb)
      })
    }
    await t.test('saved states: oci/runc', crashing, async (t) => {
      for (const verb of savedVerbsOf('oci/runc', 'files')) await crashEverywhere(t, rig, verb)
    })
    await crashEverywhere(t, rig, { name: 'stop', act: ({ kill }) => kill('SIGTERM') })
    await t.test('start, after a crash that left something of everything', crashing, (t) =>
      crashStarts(t, rig, () => rig.leaveAMess()),
    )
  })
})
