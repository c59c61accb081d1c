import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UsageFact } from '../metering/usage-fact.ts'
import { builtInPlans } from './plan.ts'
import { price } from './price.ts'

const whole = { ms: 1n, of: 1n }
const hour = 3_600_000

test('what is included costs nothing, and what goes beyond costs its rate', () => {
  const plan = { terms: builtInPlans.basic!, currency: 'USD', share: whole }
  assert.equal(price([used(100 * hour, { cpuMs: 100 * hour })], plan).total, 2000n)
  const more = price([used(110 * hour, { cpuMs: 101 * hour, networkOutBytes: 2 ** 30 })], plan)
  assert.deepEqual(
    [more.fee, more.usage['sandbox.time'], more.usage.cpu, more.usage['network.out']],
    [2000n, 60n, 5n, 9n],
  )
  assert.equal(price([used(110 * hour)], { ...plan, currency: 'CNY' }).total, 14_000n + 420n)
})

test('half a month has half of the fee and of what is included', () => {
  const plan = { terms: builtInPlans.basic!, currency: 'USD', share: { ms: 1n, of: 2n } }
  assert.equal(price([used(60 * hour)], plan).total, 1000n + 60n)
})

test('a moment counts as the least interval, and the order of facts does not matter', () => {
  const terms = { ...builtInPlans.basic!, included: {} }
  const plan = { terms, currency: 'USD', share: whole }
  const moments = Array.from({ length: 10 }, (_, i) => used(i))
  assert.equal(price(moments, plan).usage['sandbox.time'], 1n)
  assert.deepEqual(price(moments.toReversed(), plan), price(moments, plan))
  // Ten minutes are a cent: five are half of one and go to the even neighbour, fifteen to the other.
  const minutes = (n: number) =>
    price(
      Array.from({ length: n }, () => used(1)),
      plan,
    ).usage['sandbox.time']
  assert.deepEqual([minutes(5), minutes(6), minutes(15), minutes(25)], [0n, 1n, 2n, 2n])
})

test('memory that was held costs nothing, unless a plan prices it beside that of limits or instead', () => {
  const facts = [used(hour, { memoryMbMs: 1024 * hour, memoryHeldMbMs: 256 * hour })]
  const built = { terms: { ...builtInPlans.basic!, included: {} }, currency: 'USD', share: whole }
  assert.deepEqual([price(facts, built).usage.memory, price(facts, built).usage['memory.held']], [2n, 0n])
  const rates = { 'memory.held': { minor: 8, per: 1024 * hour } }
  const own = { ...built, terms: { ...built.terms, prices: { USD: { monthly: 0, rates } } } }
  assert.deepEqual([price(facts, own).usage.memory, price(facts, own).usage['memory.held']], [0n, 2n])
})

test('amounts stay exact far beyond what a double holds', () => {
  const terms = {
    ...builtInPlans.basic!,
    included: {},
    prices: { USD: { monthly: 0, rates: { gpu: { minor: 3, per: 1 } } } },
  }
  const facts = Array.from({ length: 10 }, () => used(0, { gpuMs: 2 ** 53 - 1 }))
  assert.equal(price(facts, { terms, currency: 'USD', share: whole }).usage.gpu, 30n * (2n ** 53n - 1n))
})

function used(ms: number, more: Partial<UsageFact> = {}): UsageFact {
  const startedAt = new Date('2026-01-01T00:00:00Z')
  const endedAt = new Date(startedAt.getTime() + ms)
  return { key: 'k', accountId: 'a', kind: 'sandbox', subject: 's', startedAt, endedAt, ...more }
}
