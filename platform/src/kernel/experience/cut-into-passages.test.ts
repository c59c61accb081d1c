import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomNumbers } from '../../../test/random-numbers.ts'
import { cutIntoPassages, type DocumentKind } from './cut-into-passages.ts'

const paragraph = (word: string, times = 60) => `${`${word} `.repeat(times).trim()}.`

test('passages of Markdown are its sections, with the headings that they stand below', () => {
  const text = [
    '# Handbook',
    '',
    paragraph('welcome'),
    '## Refunds',
    paragraph('refund'),
    '',
    '```sh',
    '# this is no heading',
    '',
    'refund --all',
    '```',
    '### Late ones',
    paragraph('late'),
    '## Leave',
    paragraph('leave'),
  ].join('\n')
  const passages = [...cutIntoPassages(text, 'markdown')]
  assert.deepEqual(
    passages.map(({ headings, firstLine, lastLine }) => [headings.join(' > '), firstLine, lastLine]),
    [
      ['Handbook', 1, 3],
      ['Handbook > Refunds', 4, 11],
      ['Handbook > Refunds > Late ones', 12, 13],
      ['Handbook > Leave', 14, 15],
    ],
  )
  assert.match(passages[1]!.text, /no heading\n\nrefund --all\n```$/)
})

test('code is cut where nothing is indented', () => {
  const body = Array.from({ length: 20 }, (_, n) => `  const value${n} = compute(${n})${n % 5 === 0 ? '\n' : ''}`).join(
    '\n',
  )
  const text = Array.from({ length: 4 }, (_, n) => `function part${n}() {\n${body}\n}\n`).join('\n')
  const passages = [...cutIntoPassages(text, 'code')]
  assert.ok(passages.length > 1)
  for (const { text: passage } of passages) assert.match(passage, /^function part\d\(\) \{[\s\S]*\n\}$/)
})

test('whatever the text is, nothing of it is lost, nothing is too long, and no character is cut', () => {
  const random = randomNumbers(23)
  const parts = [
    '# One',
    '## Two',
    '```',
    '',
    '',
    'word '.repeat(30),
    '  indented',
    '没有空格的句子。'.repeat(300),
    '😀'.repeat(1500),
    '\t',
    'x'.repeat(5000),
    '~~~~',
  ]
  for (let round = 0; round < 300; round++) {
    const kind = (['markdown', 'code', 'text'] as DocumentKind[])[Math.floor(3 * random())]!
    const text = Array.from(
      { length: Math.floor(40 * random()) },
      () => parts[Math.floor(parts.length * random())]!,
    ).join(random() < 0.5 ? '\n' : '\r\n')
    const passages = [...cutIntoPassages(text, kind)]
    const bare = (one: string) => one.replace(/\s/g, '')
    assert.equal(bare(passages.map((passage) => passage.text).join('')), bare(text))
    let line = 1
    for (const { text: passage, firstLine, lastLine } of passages) {
      assert.ok(passage.length <= 1600 && passage.trim() !== '' && passage.isWellFormed(), kind)
      assert.ok(firstLine >= line && lastLine >= firstLine)
      line = lastLine
    }
  }
  assert.deepEqual([...cutIntoPassages('', 'text')], [])
  assert.deepEqual([...cutIntoPassages('\n \n\n', 'markdown')], [])
})
