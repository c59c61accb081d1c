import assert from 'node:assert/strict'
import { test } from 'node:test'
import { table } from './table.ts'

test('columns are aligned by what they take on a screen', () => {
  assert.equal(
    table(
      ['编号', 'B'],
      [
        ['a', '1'],
        ['abcdef', '2'],
      ],
    ),
    '编号    B\na       1\nabcdef  2\n',
  )
})

test('control characters of a cell do not reach the terminal', () => {
  assert.equal(table(['A'], [['x\u001b[2Jy\nz']]), 'A\nx�[2Jy�z\n')
})
