import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { pdfOf } from './pdf.ts'

const texts = [
  { x: 50, y: 60, text: 'Invoice (1) 发票 \\ 合计' },
  { x: 545, y: 80, text: '-1234.56', right: true },
]

test('every object is where the table of a PDF says', () => {
  const text = pdfOf([texts, texts], '发票').toString('latin1')
  const start = Number(/startxref\n(\d+)\n%%EOF\n$/.exec(text)![1])
  assert.ok(text.startsWith('xref\n0 14\n', start))
  const offsets = [...text.slice(start).matchAll(/^(\d{10}) 00000 n $/gm)].map(([, offset]) => Number(offset))
  assert.equal(offsets.length, 13)
  for (const [index, offset] of offsets.entries()) assert.ok(text.startsWith(`${index + 1} 0 obj\n`, offset))
  for (const [, length, content] of text.matchAll(/\/Length (\d+) >>\nstream\n([\s\S]*?)\nendstream/g))
    assert.equal(content!.length, Number(length))
})

test('another program reads its text, Chinese too', (t) => {
  const { error, stdout } = spawnSync('pdftotext', ['-', '-'], { input: pdfOf([texts], '发票'), encoding: 'utf8' })
  if (error) return t.skip('there is no pdftotext here (Debian package poppler-utils)')
  assert.match(stdout, /Invoice \(1\) 发票 \\ 合计/)
  assert.match(stdout, /-1234\.56/)
})
