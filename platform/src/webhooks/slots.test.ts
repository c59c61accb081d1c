import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from './slots.ts'

/** As many as there are for these webhooks of an organisation; none is ever given back. */
function hang(slots: Slots, accountId: string, webhooks: number): number {
  let count = 0
  for (let isMore = true; isMore; ) {
    isMore = false
    for (let at = 0; at < webhooks; at++) {
      const taken = { webhookId: `${accountId}/${at}`, accountId }
      if (!slots.mayTake(taken)) continue
      slots.take(`${accountId}/${at}/${count++}`, taken)
      isMore = true
    }
  }
  return count
}

test('of connections that hang an organisation has half at most, and others always find one', () => {
  const slots = new Slots()
  assert.equal(hang(slots, 'a', 1), 4, 'one webhook')
  assert.equal(hang(slots, 'a', 500) + 4, 64)
  assert.deepEqual(slots.fullAccounts, ['a'])
  for (let at = 0; at < 5; at++) assert.ok(hang(slots, `later-${at}`, 500) > 0, `${at}`)
  assert.ok(slots.mayTake({ webhookId: 'new', accountId: 'new' }))
  assert.ok(!slots.mayTake({ webhookId: 'new', accountId: 'a' }))
})

test('what is given back is had by others again; one that failed last has a single one', () => {
  const slots = new Slots()
  const [one, other] = [0, 1].map((at) => ({ webhookId: `w${at}`, accountId: 'a' })) as [Taken, Taken]
  slots.take('d1', one)
  assert.ok(!slots.mayTake(one, { single: true }))
  assert.deepEqual(
    slots.fullWebhooks((id) => id === 'w0'),
    ['w0'],
  )
  for (const id of ['d2', 'd3', 'd4']) slots.take(id, one)
  assert.deepEqual([slots.mayTake(one), slots.mayTake(other), slots.has('d4')], [false, true, true])
  slots.free('d4')
  slots.free('d4')
  assert.deepEqual([slots.mayTake(one), slots.left, slots.has('d4')], [true, 125, false])
})

type Taken = Parameters<Slots['mayTake']>[0]
