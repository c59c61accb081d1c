import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { randomNumbers } from '../../../test/random-numbers.ts'
import { lexicalEmbedding } from './embed-text.ts'
import { ExperienceStore } from './experience-store.ts'
import { decodeLog, encodeRecord, type LogRecord } from './record-format.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warren-experience-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const open = (name: string) => ExperienceStore.open<{ n: number }>(join(folder, name), lexicalEmbedding)

test('what was kept is found by what it says, also after it was opened again', async () => {
  const store = await open('kept')
  const texts = [
    'Convert the invoices of March from PDF to CSV',
    'Find which migrations of the database were not applied',
    'Summarise the weather report for Lisbon',
    '把三月的发票导出成表格',
  ]
  await Promise.all(texts.map((text, n) => store.put({ id: `e${n}`, at: n, text, data: { n } })))
  const questions = ['csv of an invoice', 'database migration', 'whether forecast: weather in Lisbon', '导出发票']
  const check = (opened: typeof store) => {
    for (const [n, question] of questions.entries())
      assert.equal(opened.search(question, 2)[0]!.experience.data.n, n, question)
  }
  check(store)
  assert.deepEqual(
    store
      .search('csv of an invoice', 3, { accepts: ({ id }) => id !== 'e0' })
      .filter(({ experience }) => experience.id === 'e0'),
    [],
  )
  assert.equal(await store.remove('e0', 9), true)
  assert.equal(await store.remove('e0', 9), false)
  assert.ok(store.search('csv of an invoice', 4).every(({ experience }) => experience.id !== 'e0'))
  await store.put({ id: 'e0', at: 10, text: texts[0]!, data: { n: 0 } })
  await store.close()
  const again = await open('kept')
  assert.deepEqual(again.found, { cut: 0, damaged: 0 })
  assert.equal(again.size, 4)
  check(again)
  await again.close()
})

test('wherever a crash cuts the log, whole records stay and the next ones follow them', async () => {
  const path = join(folder, 'torn')
  const records = Array.from({ length: 6 }, (_, n) => put(n, `task number ${n} 任务`))
  const encoded = records.map(encodeRecord)
  const whole = Buffer.concat(encoded)
  const ends = encoded.map((_, n) => encoded.slice(0, n + 1).reduce((sum, { length }) => sum + length, 0))
  for (let length = 0; length <= whole.length; length += 7) {
    await writeFile(path, whole.subarray(0, length))
    const store = await open('torn')
    const left = ends.filter((end) => end <= length).length
    assert.equal(store.size, left)
    assert.equal((await stat(path)).size, left === 0 ? 0 : ends[left - 1])
    await store.put({ id: 'new', at: 1, text: 'after the crash', data: { n: -1 } })
    await store.close()
    assert.equal(decodeLog(await readFile(path)).records.length, left + 1)
  }
})

test('a damaged record costs itself only, and no bytes make the reader throw', async () => {
  const records = Array.from({ length: 20 }, (_, n) => put(n, `task ${n}`))
  const whole = Buffer.concat(records.map(encodeRecord))
  const random = randomNumbers(3)
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(whole)
    const at = Math.floor(random() * (bytes.length - 1))
    bytes[at]! ^= 1 << Math.floor(8 * random())
    const { records: read, damaged, end } = decodeLog(bytes)
    assert.equal(read.length, 19)
    // Damage to the last one cannot be told from a record that was torn.
    assert.ok(damaged > 0 || end < whole.length)
  }
  for (let round = 0; round < 500; round++) {
    const noise = Buffer.from(Array.from({ length: Math.floor(200 * random()) }, () => Math.floor(256 * random())))
    assert.deepEqual(decodeLog(noise).records, [])
  }
  const path = join(folder, 'damaged')
  whole[whole.indexOf('task 3')] = 0
  await writeFile(path, whole)
  const store = await open('damaged')
  assert.equal(store.size, 19)
  assert.ok(store.found.damaged > 0)
  await store.close()
})

test('records come back as they were, whatever is in them', () => {
  const random = randomNumbers(5)
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: Math.floor(40 * random()) }, () =>
      String.fromCodePoint(0x20 + Math.floor(random() * 0xd000)),
    ).join('')
    const values = Float32Array.from({ length: Math.floor(20 * random()) }, () => random() - 0.5)
    const record: LogRecord =
      random() < 0.2
        ? { removed: text, at: round }
        : {
            put: {
              id: `${round}`,
              at: round + random(),
              text,
              data: { text, list: [round, null, true] },
              ...(values.length > 0 && { vector: { space: 'model 文', values } }),
            },
          }
    assert.deepEqual(decodeLog(encodeRecord(record)).records, [record])
  }
})

test('what is forgotten at the same time, while the log is written anew, does not come back', async () => {
  const store = await open('together')
  const text = 'x'.repeat(2000)
  await Promise.all(Array.from({ length: 200 }, (_, n) => store.put({ id: `${n}`, at: n, text, data: { n } })))
  const before = store.bytes
  const added = Array.from({ length: 20 }, (_, n) => store.put({ id: `new ${n}`, at: n, text: 'new', data: { n } }))
  await Promise.all([...Array.from({ length: 200 }, (_, n) => store.remove(`${n}`, n)), ...added])
  await store.put({ id: 'last', at: 0, text: 'last', data: { n: 0 } })
  assert.ok(store.bytes < before, 'it was written anew')
  await store.close()
  const again = await open('together')
  assert.deepEqual([again.size, again.found], [21, { cut: 0, damaged: 0 }])
  await again.close()
})

test('a store does what a map would, over changes, crashes and being opened again', async () => {
  const path = join(folder, 'random')
  const random = randomNumbers(11)
  const expected = new Map<string, number>()
  let store = await open('random')
  for (let round = 0; round < 400; round++) {
    const id = `id${Math.floor(30 * random())}`
    const dice = random()
    if (dice < 0.7) {
      await store.put({
        id,
        at: round,
        text: `${id} is about topic${round} ${'filler '.repeat(50)}`,
        data: { n: round },
      })
      expected.set(id, round)
    } else if (dice < 0.95) assert.equal(await store.remove(id, round), expected.delete(id))
    else {
      await store.close()
      // A write that was cut off, or nothing.
      if (dice < 0.98) await appendFile(path, encodeRecord(put(round, 'torn')).subarray(0, 30))
      store = await open('random')
    }
    assert.deepEqual(new Map(store.all().map(({ id: one, data }) => [one, data.n])), expected)
    const [some] = expected.entries()
    if (some) assert.equal(store.search(`topic${some[1]}`, 1)[0]!.experience.id, some[0])
  }
  // What is of no use any more does not stay.
  assert.ok(store.bytes < 2 * 64 * 1024 + 40_000, String(store.bytes))
  await store.close()
})

test('vectors of another space are computed anew', async () => {
  const path = join(folder, 'spaces')
  const mine = lexicalEmbedding.embed('something else entirely')
  const vector = (space: string) => ({ vector: { space, values: mine } })
  await writeFile(
    path,
    Buffer.concat([
      encodeRecord({ put: { id: 'same', at: 1, text: 'cats', data: {}, ...vector(lexicalEmbedding.space) } }),
      encodeRecord({ put: { id: 'other', at: 2, text: 'dogs', data: {}, ...vector('other-model') } }),
    ]),
  )
  const store = await open('spaces')
  const [first] = store.search('something else entirely', 2)
  assert.equal(first!.experience.id, 'same')
  assert.ok(first!.score > 0.99)
  await store.close()
  await truncate(path)
})

test('what means the same is found by the vectors of a model, after it was opened again too; those that fit nothing do not count', async () => {
  const openMeaning = () => ExperienceStore.open<{ n: number }>(join(folder, 'meant'), lexicalEmbedding, 'model')
  let store = await openMeaning()
  const of = (...values: number[]) => ({ space: 'model', values: Float32Array.from(values) })
  await store.put({ id: 'cat', at: 1, text: 'feed the feline', data: { n: 1 }, vector: of(1, 0, 0.1) })
  await store.put({ id: 'car', at: 2, text: 'wash the vehicle', data: { n: 2 }, vector: of(0, 1, 0.1) })
  await store.put({
    id: 'older',
    at: 3,
    text: 'of another model',
    data: { n: 3 },
    vector: { ...of(1, 0, 0), space: 'x' },
  })
  await store.put({ id: 'longer', at: 4, text: 'has more numbers', data: { n: 4 }, vector: of(1, 0, 0, 0) })
  await store.put({ id: 'none', at: 5, text: 'has no direction', data: { n: 5 }, vector: of(Number.NaN, 0, 0) })
  for (let time = 0; time < 2; time++) {
    const [best] = store.search('looks after a pet', 5, { vector: Float32Array.of(1, 0, 0) })
    assert.deepEqual([best?.experience.id, best?.hasWords, Number(best?.meant?.toFixed(2))], ['cat', false, 1])
    // One that the index has no place for is a question in words.
    assert.equal(store.search('wash a car', 1, { vector: Float32Array.of(1, 0) })[0]!.experience.id, 'car')
    assert.deepEqual(
      store.withoutMeaning(9).map(({ id }) => id),
      ['older'],
    )
    await store.close()
    store = await openMeaning()
  }
  // What it means comes later: it is no newer for that.
  await store.give(store.get('older')!, of(0.9, 0.1, 0))
  assert.equal(store.all()[2]!.id, 'older')
  assert.ok(
    store.search('pet', 5, { vector: Float32Array.of(1, 0, 0) }).some(({ experience: { id } }) => id === 'older'),
  )
  // Of what is being forgotten nothing comes back.
  const car = store.get('car')!
  await Promise.all([store.remove('car', 6), store.give(car, of(0, 1, 0))])
  await store.give(car, of(0, 1, 0))
  await store.close()
  store = await openMeaning()
  assert.deepEqual(
    store.all().map(({ id }) => id),
    ['cat', 'older', 'longer', 'none'],
  )
  await store.close()
})

function put(n: number, text: string): LogRecord {
  return { put: { id: `r${n}`, at: n, text, data: { n } } }
}
