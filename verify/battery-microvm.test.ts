import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allCases } from './cases.ts'
import { verifyHost } from './verify-host.ts'

const driver = 'microvm/qemu'
const full = process.env.WARREN_TEST_FULL === 'yes'
/** Where a processor is emulated, all of it takes a quarter of an hour and more. */
const only = full ? undefined : 'devices.'

test('no attack gets through on a microVM', { timeout: (full ? 60 : 10) * 60_000 }, async (t) => {
  const told: string[] = []
  const { cases } = await verifyHost({ driver, only, tell: (line) => told.push(line) })
  const missing = /no runtime of this host offers/
  if (cases.every(({ reason }) => missing.test(reason))) return t.skip(`${driver} is not to be had here`)
  t.diagnostic(only ? `only ${only}: npm run test:full makes every attempt` : 'every attempt')
  assert.equal(cases.length, allCases.filter(({ id }) => id.startsWith(only ?? '')).length)
  const named = (wanted: string) =>
    cases.filter(({ outcome }) => outcome === wanted).map(({ id, reason }) => `${id}: ${reason}`)
  assert.deepEqual(named('open'), [], told.join('; '))
  const left = named('not_applicable')
  t.diagnostic(`${cases.length} attempts, ${left.length} not applicable`)
  if (full) assert.ok(left.length <= cases.length / 10, left.join('\n'))
})
