import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet } from './arrivals.ts'
import { Forecaster } from './forecaster.ts'
import { instancesToHave, paysToBeReady } from './keep-alive.ts'

test('a timer is foreseen: every 10 minutes, and nothing between', () => {
  const forecaster = new Forecaster(new Fleet())
  const calls = (minute: number) => (minute % 10 === 3 ? 2 : 0)
  for (let minute = 0; minute < 120; minute++) forecaster.observe(calls(minute))
  for (let minute = 120; minute < 160; minute++) {
    const { count, probability } = forecaster.forecast()
    assert.equal(count, calls(minute), `minute ${minute}`)
    assert.equal(probability > 0.5, calls(minute) > 0, `minute ${minute}: ${probability}`)
    forecaster.observe(calls(minute))
  }
})

test('what other series of the fleet did is known of a new one', () => {
  const seen = new Fleet()
  for (let other = 0; other < 20; other++) {
    const forecaster = new Forecaster(seen)
    for (let minute = 0; minute < 200; minute++) forecaster.observe((minute + other) % 15 === 0 ? 1 : 0)
  }
  const dueAfterTwo = (fleet: Fleet) => {
    const forecaster = new Forecaster(fleet)
    for (let minute = 0; minute < 30; minute++) forecaster.observe(minute % 15 === 0 ? 1 : 0)
    return forecaster.forecast().probability
  }
  assert.ok(dueAfterTwo(seen) > 0.8, String(dueAfterTwo(seen)))
  assert.ok(dueAfterTwo(seen) > dueAfterTwo(new Fleet()))
})

test('a steady load is foreseen as it is, and a new level within minutes', () => {
  const forecaster = new Forecaster(new Fleet())
  for (let minute = 0; minute < 100; minute++) forecaster.observe(1000)
  assert.equal(forecaster.forecast().count, 1000)
  for (let minute = 0; minute < 5; minute++) forecaster.observe(4000)
  assert.ok(forecaster.forecast().count > 3000)
})

test('asking twice changes nothing', () => {
  const [asked, unasked] = [new Forecaster(new Fleet()), new Forecaster(new Fleet())]
  for (const count of [0, 3, 0, 0, 7, 1, 0, 0, 0, 2]) {
    assert.deepEqual(asked.forecast(), asked.forecast())
    asked.observe(count)
    unasked.observe(count)
  }
  assert.deepEqual(asked.forecast(), unasked.forecast())
})

test('whatever comes, a forecast is a number of calls and a probability', () => {
  const fleet = new Fleet()
  for (let seed = 1; seed <= 20; seed++) {
    const forecaster = new Forecaster(fleet)
    let state = seed
    for (let minute = 0; minute < 500; minute++) {
      state = (state * 48_271) % 2_147_483_647
      const { count, probability } = forecaster.forecast()
      assert.ok(Number.isFinite(count) && count >= 0, String(count))
      assert.ok(probability > 0 && probability < 1, String(probability))
      forecaster.observe(state % 3 === 0 ? state : state % 5 === 0 ? 1e15 : 0)
    }
  }
})

test('an instance is kept ready while a miss would cost more than being ready in vain', () => {
  assert.equal(paysToBeReady(0.5), true)
  assert.equal(paysToBeReady(0.001), false)
  assert.equal(paysToBeReady(0.001, 10_000), true)
})

test('as many instances are had as the calls need, and some for what forecasts were off', () => {
  const spread = { spread: 0, callsPerInstance: 60 }
  assert.equal(instancesToHave({ count: 600, probability: 0.99 }, spread), 10)
  assert.ok(instancesToHave({ count: 600, probability: 0.99 }, { ...spread, spread: 100 }) > 12)
  assert.equal(instancesToHave({ count: 0, probability: 0.2 }, spread), 1)
  assert.equal(instancesToHave({ count: 0, probability: 0.001 }, spread), 0)
})
