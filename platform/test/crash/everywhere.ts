import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, pointsOf, sample } from './points.ts'
import { CrashRig } from './rig.ts'
import type { Verb } from './verbs.ts'

/** All points with `npm run test:full`; otherwise a tenth, always the same one unless WARREN_TEST_SEED names another. */
const share = process.env.WARREN_TEST_FULL === 'yes' ? 1 : 0.1
const seed = Number(process.env.WARREN_TEST_SEED || 11)

/** All crashes of a test together. On a busy host each takes several seconds. */
export const crashing = { timeout: 4 * 3_600_000 }

/** Opens a rig for `crashes`, and tells afterwards how many there were and how long the platform was out of order. */
export async function withRig(
  t: TestContext,
  env: Record<string, string>,
  crashes: (rig: CrashRig) => Promise<void>,
): Promise<void> {
  const rig = await CrashRig.open(env)
  await crashes(rig)
  await t.test('no lasting effect was outside of the steps', () => assert.deepEqual(rig.effectsOutside, []))
  t.diagnostic(`seed ${seed}: WARREN_TEST_SEED=${seed} takes the same points`)
  t.diagnostic(`${rig.points} crash points, ${rig.crashes} crashes`)
  t.diagnostic(`in order again after at most ${Math.round(rig.longestMs)} ms, the start included`)
  for (const point of rig.missed) t.diagnostic(`not come by again: ${point}`)
}

/** Kills the platform at each point of the verb, or at those of the sample. */
export async function crashEverywhere(t: TestContext, rig: CrashRig, verb: Verb): Promise<void> {
  await t.test(verb.name, crashing, async (t) => {
    const taken = await rig.record(verb)
    const points = pointsOf(taken.filter(({ step }) => verb.own?.test(step) ?? true))
    assert.ok(points.length > 0, 'the verb takes steps')
    rig.points += points.length
    for (const point of sample(points, share, seed)) await t.test(describe(point), () => rig.crash(verb, point))
  })
}

/** Kills the platform while it starts, each time after `prepare`, which ends it. */
export async function crashStarts(t: TestContext, rig: CrashRig, prepare: () => Promise<void>): Promise<void> {
  await prepare()
  await rig.platform.start()
  const points = pointsOf(await rig.recordStart())
  await rig.removeOthers()
  rig.points += points.length
  for (const point of sample(points, share, seed)) {
    await t.test(describe(point), async () => {
      await prepare()
      await rig.crashStart(point)
    })
  }
}
