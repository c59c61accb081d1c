import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Demand, minuteOf } from './demand.ts'

const one = { share: 1, concurrency: 1 }

/** A demand and its clock, which goes on by minutes. */
function atNoon(leastMinutes = 10): { demand: Demand; wait: (minutes?: number) => Promise<boolean> } {
  let now = Date.parse('2026-01-01T12:00:00Z')
  const demand = new Demand({ now: () => new Date(now), leastMinutes })
  return {
    demand,
    wait: (minutes = 1) => {
      now += minutes * 60_000
      return demand.advance()
    },
  }
}

test('minutes end before those of the clock, so that a full minute finds what was made ready for it', () => {
  const at = (time: string) => minuteOf(new Date(`2026-01-01T${time}Z`))
  assert.equal(at('12:00:00'), at('11:59:50'))
  assert.equal(at('12:00:49.999'), at('12:00:00'))
  assert.equal(at('11:59:49.999'), at('12:00:00') - 1)
})

test('a function that is called every ten minutes is expected in these minutes, and not between', async () => {
  const { demand, wait } = atNoon()
  for (let minute = 0; minute < 150; minute++) {
    if (minute % 10 === 0) demand.called('f')
    await wait()
    const isDue = (minute + 1) % 10 === 0
    // What it does is learned after some times.
    if (minute >= 120 && (minute + 1) % 10 > 0) assert.ok(demand.forecast('f')!.probability < 0.5)
    if (minute >= 120 && isDue) assert.equal(demand.instances('f', one), 1, `minute ${minute}`)
  }
})

test('while little is known, an instance stays as long as is set; nobody calls, and it goes', async () => {
  const { demand, wait } = atNoon(10)
  demand.called('f')
  assert.equal(await wait(0), false)
  assert.equal(await wait(), true)
  assert.equal(demand.lingers('f'), true)
  await wait(8)
  assert.deepEqual([demand.lingers('f'), demand.instances('f', one)], [true, 0])
  await wait(50)
  assert.deepEqual([demand.lingers('f'), demand.instances('f', one)], [false, 0])
  assert.equal(demand.instances('unheard of', one), 0)
})

test('there are as many as the calls of a minute keep at work, split among those who serve them', async () => {
  const { demand, wait } = atNoon()
  for (let minute = 0; minute < 60; minute++) {
    for (let call = 0; call < 600; call++) demand.called('f')
    demand.measured('f', { callMs: 1000 })
    await wait()
  }
  // 600 calls of a second in a minute.
  const whole = demand.instances('f', one)
  assert.ok(whole >= 10 && whole <= 20, String(whole))
  assert.ok(demand.instances('f', { share: 0.5, concurrency: 1 }) <= Math.ceil(whole / 2))
  assert.equal(demand.instances('f', { share: 1, concurrency: 100 }), 1)
})

test('who takes long to start is kept where others are not, and who holds much memory is not', async () => {
  const probability = async (costs: object) => {
    const { demand, wait } = atNoon(0)
    for (let minute = 0; minute < 300; minute++) {
      if (minute % 40 === 0) demand.called('f')
      if (minute === 0) demand.measured('f', costs)
      await wait()
    }
    let kept = 0
    for (let minute = 300; minute < 400; minute++) {
      if (minute % 40 === 0) demand.called('f')
      kept += demand.instances('f', one)
      await wait()
    }
    return kept
  }
  const [usual, slow, large] = await Promise.all([{}, { startMs: 5000 }, { memoryMb: 2000 }].map(probability))
  assert.ok(slow! >= usual! && usual! >= large! && slow! > large!, `${slow} ${usual} ${large}`)
})

test('what was recorded before is learned as if it had been seen', async () => {
  const { demand, wait } = atNoon()
  const counts = new Map(Array.from({ length: 12 }, (_, at) => [30 * (at + 1), 2] as const))
  // A minute ended between the start and this: what was read has it, and it does not end once more.
  await demand.learn(new Map([['f', counts]]), { now: new Date('2026-01-01T12:01:00Z'), minutes: 360 })
  assert.equal(await wait(1), false)
  assert.equal(demand.instances('f', one), 1)
  assert.deepEqual(demand.functions, ['f'])
  demand.forget('f')
  assert.deepEqual(demand.functions, [])
})

test('a clock that is set back, and a machine that slept, change no more than a minute', async () => {
  const { demand, wait } = atNoon()
  demand.called('f')
  assert.equal(await wait(-5), false)
  assert.equal(await wait(1), true)
  assert.equal(await wait(100_000), true)
  assert.ok(demand.forecast('f')!.probability < 0.5)
})

test('of functions without end those called last are followed', async () => {
  const { demand } = atNoon()
  for (let at = 0; at < 2100; at++) demand.called(`f${at}`)
  assert.equal(demand.functions.length, 2000)
  assert.equal(demand.functions.at(-1), 'f2099')
})
