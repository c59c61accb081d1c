import assert from 'node:assert/strict'
import { test } from 'node:test'
import { halfEven } from './half-even.ts'
import { parseMoney, parsePayment, showMoney } from './money.ts'

test('amounts have the digits of their currency, there and back', () => {
  const minors = {
    'USD 12.5': 1250n,
    'JPY 12': 12n,
    'KWD 0.001': 1n,
    'CLF 1.0001': 10_001n,
    'EUR -0.05': -5n,
    'USD 0': 0n,
  }
  for (const [text, minor] of Object.entries(minors)) {
    const [currency, amount] = text.split(' ') as [string, string]
    assert.equal(parseMoney({ currency, amount }).minor, minor)
    const shown = showMoney({ currency, minor })
    assert.equal(parseMoney(shown).minor, minor)
  }
  assert.equal(showMoney({ currency: 'USD', minor: -5n }).amount, '-0.05')
  assert.equal(showMoney({ currency: 'USD', minor: 2n ** 63n - 1n }).amount, '92233720368547758.07')
})

test('unknown currencies, too many digits, too much, and what is not above zero are refused', () => {
  const refused: [string, string, RegExp][] = [
    ['XYZ', '1', /not a currency/],
    ['JPY', '1.5', /0 digits/],
    ['USD', '1.001', /2 digits/],
    ['USD', '92233720368547758.08', /more than can be held/],
    ['USD', '1e5', /not a decimal/],
    ['USD', '-1', /above zero/],
    ['USD', '0.00', /above zero/],
  ]
  for (const [currency, amount, reason] of refused) assert.throws(() => parsePayment({ currency, amount }), reason)
})

test('halves go to the even neighbour', () => {
  const halves = [-5n, -3n, -1n, 1n, 3n, 5n].map((n) => halfEven(n, 2n))
  assert.deepEqual(halves, [-2n, -2n, 0n, 0n, 2n, 2n])
  assert.deepEqual([halfEven(7n, 3n), halfEven(8n, 3n), halfEven(-7n, 3n), halfEven(-8n, 3n)], [2n, 3n, -2n, -3n])
})
