import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Driver, Fingerprint, Isolation } from './driver.ts'
import { Ladder } from './ladder.ts'

const healthy: Fingerprint = { healthy: true, reason: 'booted', bootMs: 1, disk: 'none' }
const failed: Fingerprint = { healthy: false, reason: 'did not boot' }
const driver = (name: string, isolation: Isolation) => ({ name, isolation }) as Driver
const drivers = [driver('weak', 'namespaces'), driver('strong', 'container')]

function clock(t: TestContext) {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  return (ms: number) => t.mock.timers.tick(ms)
}

test('verdicts come strongest first, and each driver is booted once', async () => {
  const booted: string[] = []
  const ladder = new Ladder(drivers, async ({ name }) => {
    booted.push(name)
    return healthy
  })
  const [first, second] = await Promise.all([ladder.probed(), ladder.probed()])
  assert.deepEqual(
    first.map((probed) => probed.driver.name),
    ['strong', 'weak'],
  )
  assert.equal(second, first)
  assert.deepEqual(booted.sort(), ['strong', 'weak'])
})

test('what failed is tried again after a while, without making anybody wait, and what works is left alone', async (t) => {
  const pass = clock(t)
  const booted: string[] = []
  let strong: Fingerprint = failed
  const ladder = new Ladder(drivers, async ({ name }) => {
    booted.push(name)
    return name === 'strong' ? strong : healthy
  })
  const isStrongHealthy = async () => (await ladder.probed())[0]!.fingerprint.healthy
  assert.equal(await isStrongHealthy(), false)
  strong = healthy
  assert.equal(await isStrongHealthy(), false, 'not at once')
  pass(30_000)
  assert.equal(await isStrongHealthy(), false, 'begins to try')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(await isStrongHealthy(), true)
  assert.deepEqual(booted.sort(), ['strong', 'strong', 'weak'])
})

test('where nothing works, whoever asks after a while waits for the new verdict; a probe that throws is one', async (t) => {
  const pass = clock(t)
  let probe = async (): Promise<Fingerprint> => {
    throw new Error('no space left')
  }
  const ladder = new Ladder(drivers, () => probe())
  assert.deepEqual((await ladder.probed())[0]!.fingerprint, { healthy: false, reason: 'no space left' })
  probe = async () => healthy
  pass(1000)
  assert.equal((await ladder.probed())[0]!.fingerprint.healthy, true)
})

test('what only emulates is booted for the first who asks for it, and nobody else waits for that', async () => {
  const asked: string[] = []
  const emulating = driver('emulating', 'microvm')
  const ladder = new Ladder([...drivers, emulating], async ({ name }, isAsked) => {
    if (isAsked) asked.push(name)
    return name !== 'emulating' || isAsked ? healthy : { healthy: false, reason: 'not yet', untried: true }
  })
  assert.equal((await ladder.probed({ min: 'container' }))[0]!.fingerprint.healthy, false)
  assert.deepEqual(asked, [])
  const [first] = await Promise.all([ladder.probed({ min: 'microvm' }), ladder.probed({ min: 'microvm' })])
  assert.equal(first[0]!.fingerprint.healthy, true)
  assert.deepEqual(asked, ['emulating'])
})

test('one that is closed waits for what is being booted, and boots nothing more', async (t) => {
  const pass = clock(t)
  const booting = Promise.withResolvers<Fingerprint>()
  let boots = 0
  const ladder = new Ladder(drivers, ({ name }) => {
    boots++
    return name === 'strong' ? booting.promise : Promise.resolve(failed)
  })
  const probed = ladder.probed()
  let isClosed = false
  const closed = ladder.close().then(() => {
    isClosed = true
  })
  await new Promise(setImmediate)
  assert.equal(isClosed, false)
  booting.resolve(failed)
  await Promise.all([probed, closed])
  pass(60_000)
  await ladder.probed()
  assert.equal(boots, 2)
})
