import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VersionedReads } from './versioned-reads.ts'

/** Records that can be changed, and what was asked of them. */
function kept() {
  const rows = new Map<string, { version: string; text: string }>()
  const asked: string[] = []
  const reads = new VersionedReads<{ text: string }>(
    {
      versions: async (ids) => {
        asked.push(`versions ${ids}`)
        return new Map(ids.flatMap((id) => (rows.has(id) ? [[id, rows.get(id)!.version]] : [])))
      },
      records: async (ids) => {
        asked.push(`records ${ids}`)
        return new Map(
          ids.flatMap((id) => {
            const row = rows.get(id)
            return row ? [[id, { version: row.version, record: { text: row.text } }]] : []
          }),
        )
      },
    },
    { most: 2 },
  )
  return { rows, asked, reads }
}

test('a record is read whole once, and from then on only its version, until that is another one', async () => {
  const { rows, asked, reads } = kept()
  rows.set('a', { version: '1', text: 'first' })
  const first = await reads.get('a')
  assert.deepEqual(first, { text: 'first' })
  assert.equal(await reads.get('a'), first)
  assert.deepEqual(asked, ['records a', 'versions a'])

  rows.set('a', { version: '2', text: 'second' })
  assert.deepEqual(await reads.get('a'), { text: 'second' })
  assert.deepEqual(asked.slice(2), ['versions a', 'records a'])
})

test('what is gone is gone, also when it was remembered, and what comes back is read anew', async () => {
  const { rows, reads } = kept()
  rows.set('a', { version: '1', text: 'first' })
  await reads.get('a')
  rows.delete('a')
  assert.equal(await reads.get('a'), undefined)
  rows.set('a', { version: '1', text: 'another' })
  assert.deepEqual(await reads.get('a'), { text: 'another' })
})

test('nobody can change what all are given', async () => {
  const { rows, reads } = kept()
  rows.set('a', { version: '1', text: 'first' })
  const found = await reads.get('a')
  assert.throws(() => Object.assign(found!, { text: 'changed' }), TypeError)
})

test('a list is remembered only while every record in it is, in the version that it has', async () => {
  const { rows, reads } = kept()
  for (const id of ['a', 'b']) {
    rows.set(id, { version: '1', text: id })
    await reads.get(id)
  }
  assert.deepEqual(reads.remembered([]), [])
  assert.deepEqual(
    reads.remembered([
      ['b', '1'],
      ['a', '1'],
    ]),
    [{ text: 'b' }, { text: 'a' }],
  )
  assert.equal(
    reads.remembered([
      ['b', '2'],
      ['a', '1'],
    ]),
    undefined,
  )
  // Of two at most the oldest went.
  reads.remember('c', { version: '1', record: { text: 'c' } })
  assert.equal(reads.remembered([['a', '1']]), undefined)
  assert.deepEqual(reads.remembered([['b', '1']]), [{ text: 'b' }])
})
