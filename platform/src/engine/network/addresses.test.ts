import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRange, withoutRanges } from './addresses.ts'

const without = (ranges: string[], holes: string[]) => {
  const [from, taken] = [ranges, holes].map((texts) => texts.map((text) => parseRange(text)!))
  return withoutRanges(from!, taken!).map(({ text }) => text)
}

test('withoutRanges() leaves what no hole has, in the fewest ranges', () => {
  assert.deepEqual(without(['8.8.8.0/24'], []), ['8.8.8.0/24'])
  assert.deepEqual(without(['8.8.8.0/24'], ['9.0.0.0/8', '8.8.9.0/24', '8.8.7.255']), ['8.8.8.0/24'])
  assert.deepEqual(without(['8.8.8.0/30'], ['8.8.8.1']), ['8.8.8.0', '8.8.8.2/31'])
  assert.deepEqual(without(['8.8.8.0/30', '1.1.1.1'], ['8.8.8.3', '8.8.8.0']), ['8.8.8.1', '8.8.8.2', '1.1.1.1'])
  assert.deepEqual(without(['8.8.8.8', '8.8.8.0/24'], ['8.8.0.0/16']), [])
  assert.deepEqual(without(['0.0.0.0/0'], ['0.0.0.0/1', '255.255.255.255', '128.0.0.0/2']).at(-1), '255.255.255.254')
  assert.deepEqual(without(['0.0.0.0/0'], ['128.0.0.0/1', '200.0.0.0/8']), ['0.0.0.0/1'])
  assert.equal(without(['0.0.0.0/0'], ['77.77.77.77']).length, 32)
})
