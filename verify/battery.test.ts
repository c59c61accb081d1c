import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CaseResult } from './case.ts'
import { allCases } from './cases.ts'
import { verifyHost } from './verify-host.ts'

const isRoot = process.getuid?.() === 0

test('every case has a name of its own, and there are at least 150', () => {
  const ids = allCases.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(ids.length >= 150, `${ids.length} cases`)
  for (const id of ids) assert.match(id, /^[a-z_]+\.[a-z0-9_]+$/)
})

test('no attack gets through on any runtime of this machine', { timeout: 280_000 }, async (t) => {
  const told: string[] = []
  const { cases } = await verifyHost({ tell: (line) => told.push(line) })
  const backends = [...new Set(cases.map(({ backend }) => backend))]
  if (backends.length === 0) return t.skip('no runtime of this machine isolates')
  t.diagnostic(`${allCases.length} cases on ${backends.join(', ')}`)
  for (const backend of backends) {
    const results = cases.filter((one) => one.backend === backend)
    assert.equal(results.length, allCases.length)
    // A case whose control is stopped too, and an attempt without an answer, count as open.
    assert.deepEqual(named(results, 'open'), [], `${backend}; ${told.join('; ')}`)
    for (const { id, reason } of results) assert.ok(reason.length > 0, id)
    const left = named(results, 'not_applicable')
    t.diagnostic(`${backend}: ${left.length} not applicable`)
    // An ordinary user has fewer rights to lose to begin with.
    if (isRoot) assert.ok(left.length <= results.length / 10, left.join('\n'))
  }
})

function named(results: CaseResult[], outcome: CaseResult['outcome']): string[] {
  return results.filter((one) => one.outcome === outcome).map(({ id, reason }) => `${id}: ${reason}`)
}
