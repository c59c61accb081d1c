import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomNumbers } from '../../../test/random-numbers.ts'
import { lexicalEmbedding } from './embed-text.ts'
import { LexicalIndex } from './lexical-index.ts'
import { TextIndex } from './text-index.ts'
import { wordsOf } from './words-of.ts'

test('words are the same in all their usual forms, in both languages', () => {
  assert.deepEqual(wordsOf('The invoices, converted'), wordsOf('convert INVOICE'.split(' ').reverse().join(' ')))
  assert.deepEqual(wordsOf('导出 CSV'), ['导', '导出', '出', 'csv'])
  assert.deepEqual(wordsOf('and of the, to'), [])
  assert.deepEqual(wordsOf(''), [])
})

test('a vector has length one, is the same each time, and is near to what is written alike', () => {
  const { embed, dimensions } = lexicalEmbedding
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, at) => sum + value * b[at]!, 0)
  const text = 'Restart the database after its migration'
  assert.equal(embed(text).length, dimensions)
  assert.deepEqual(embed(text), embed(text))
  for (const one of [text, '', '...', '数据库', 'a'.repeat(10_000)])
    assert.ok(Math.abs(dot(embed(one), embed(one)) - 1) < 1e-5)
  const [alike, other] = [embed('database migrations: restarting'), embed('a picture of a red fox')]
  assert.ok(dot(embed(text), alike) > 0.4)
  assert.ok(dot(embed(text), other) < 0.2)
})

test('misspelled words are found by their letters', () => {
  const index = new TextIndex(lexicalEmbedding)
  index.add('kubernetes', 'Deploy to Kubernetes with three replicas')
  index.add('postgres', 'Repair the PostgreSQL replication slot')
  index.add('fox', 'Draw a red fox')
  const [found] = index.search('kuberneets replicsa', 1)
  assert.equal(found!.id, 'kubernetes')
  assert.equal(found!.hasWords, false)
})

test('an index that texts come and go in answers as one that was made of what is left', () => {
  const random = randomNumbers(17)
  const some = () => Array.from({ length: 8 }, () => `word${Math.floor(60 * random())}`).join(' ')
  const changing = new TextIndex(lexicalEmbedding)
  const texts = new Map<string, string>()
  for (let round = 0; round < 4000; round++) {
    const id = `t${Math.floor(200 * random())}`
    if (random() < 0.3) assert.equal(changing.remove(id), texts.delete(id))
    else {
      const text = some()
      changing.add(id, text)
      texts.set(id, text)
    }
  }
  assert.equal(changing.size, texts.size)
  for (let round = 0; round < 50; round++) {
    const question = some()
    const wanted = new Set(wordsOf(question))
    const found = changing.search(question, 10)
    assert.equal(found.length, 10)
    for (const { id, hasWords } of found)
      assert.equal(hasWords || wordsOf(texts.get(id)!).every((word) => !wanted.has(word)), true)
  }
})

test('of texts with the same words the shorter one comes first, and rare words count more', () => {
  const index = new LexicalIndex()
  const long = index.add(`needle ${'hay '.repeat(50)}`)
  const short = index.add('needle hay')
  for (let n = 0; n < 50; n++) index.add('hay and more hay')
  assert.deepEqual(
    index.search('needle', 5).map(({ row }) => row),
    [short, long],
  )
  assert.equal(index.search('hay needle', 1)[0]!.row, short)
  index.remove(short)
  assert.deepEqual(
    index.search('needle', 5).map(({ row }) => row),
    [long],
  )
})
