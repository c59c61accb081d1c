import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEmbeddingServer } from '../../test/embedding-server.ts'
import { httpEmbedder } from './embedder.ts'

const server = await startEmbeddingServer()
const keys = ['sk-first-0123456789', 'sk-second-0123456789']
const open = (more: object = {}) =>
  httpEmbedder({ fetch }, { model: 'meanings', baseUrl: `${server.url}/`, keys, batch: 10, deadlineMs: 500, ...more })
const never = new AbortController().signal

test('each text gets its vector, in requests of so many texts, with keys in turn', async () => {
  const texts = Array.from({ length: 25 }, (_, n) => (n === 17 ? 'a cat' : 'x'.repeat(n)))
  const vectors = await open().embed(texts, never)
  assert.equal(vectors.length, 25)
  for (const [n, vector] of vectors.entries()) {
    assert.equal(vector[0], n === 17 ? 10 : 0)
    // Nothing at all is refused by some: it goes as a blank.
    assert.ok(Math.abs(vector[3]! - Math.sin(texts[n]!.length || 1)) < 1e-6)
  }
  assert.deepEqual(
    server.requests.map(({ input, authorization }) => [input.length, authorization]),
    [
      [10, `Bearer ${keys[0]}`],
      [10, `Bearer ${keys[1]}`],
      [5, `Bearer ${keys[0]}`],
    ],
  )
  assert.deepEqual(await open().embed([], never), [])
})

test('whatever is wrong with an answer, it is one failure that says what, without keys', async () => {
  const said = {
    '500': /500/,
    dimensions: /a vector has 6 numbers, not 5/,
    missing: /1 vectors were answered for 2 texts/,
    places: /the places of vectors are wrong/,
    null: /something else than numbers/,
    'not a number': /something else than numbers/,
    hangs: /timeout/i,
    nonsense: /JSON/,
  }
  for (const [fault, message] of Object.entries(said)) {
    server.fault = fault as keyof typeof said
    await assert.rejects(open({ dimensions: 5 }).embed(['one', 'two'], never), (error: Error & { code: string }) => {
      assert.equal(error.code, 'unavailable')
      assert.match(error.message, message)
      return keys.every((key) => !error.message.includes(key))
    })
  }
  server.fault = undefined
  await assert.rejects(open({ baseUrl: 'http://127.0.0.1:1/v1' }).embed(['one'], never), /ECONNREFUSED|bad port/)
  await assert.rejects(open().embed(['one'], AbortSignal.abort(new Error('given up'))), /given up/)
  assert.equal((await open({ dimensions: 5 }).embed(['one'], never)).length, 1)
})
