import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomNumbers } from '../../../test/random-numbers.ts'
import { VectorIndex } from './vector-index.ts'

const dimensions = 96

test('of many vectors those are found that are nearest', () => {
  const random = randomNumbers(7)
  const index = new VectorIndex(dimensions)
  const vectors = Array.from({ length: 18_000 }, () => someVector(random))
  for (const [at, vector] of vectors.entries()) index.add(String(at), vector)

  let [hits, wanted] = [0, 0]
  for (let query = 0; query < 10; query++) {
    const vector = someVector(random)
    const nearest = exactly(vectors, vector, 10)
    const found = index.search(vector, 10)
    assert.equal(found.length, 10)
    for (const { id, score } of found) assert.ok(Math.abs(score - cosine(vectors[Number(id)]!, vector)) < 1e-5)
    assert.deepEqual(
      found.map(({ score }) => score),
      found.map(({ score }) => score).toSorted((a, b) => b - a),
    )
    hits += found.filter(({ id }) => nearest.includes(id)).length
    wanted += nearest.length
  }
  assert.ok(hits / wanted >= 0.95, `${hits} of ${wanted}`)
})

test('a vector is its own nearest one, until it is another or gone', () => {
  const random = randomNumbers(11)
  const index = new VectorIndex(dimensions)
  for (let at = 0; at < 300; at++) index.add(String(at), someVector(random))
  const [mine, other] = [someVector(random), someVector(random)]
  index.add('mine', mine)
  assert.equal(index.search(mine, 1)[0]!.id, 'mine')

  index.add('mine', other)
  assert.equal(index.size, 301)
  assert.equal(index.search(other, 1)[0]!.id, 'mine')

  assert.equal(index.remove('mine'), true)
  assert.equal(index.remove('mine'), false)
  assert.ok(!index.search(other, 300).some(({ id }) => id === 'mine'))
  assert.equal(index.search(other, 1000, 1000).length, 300)
})

test('an empty index finds nothing, and one with fewer vectors than wanted finds all', () => {
  const index = new VectorIndex(3)
  assert.deepEqual(index.search([1, 0, 0], 5), [])
  index.add('x', [2, 0, 0])
  index.add('y', [0, 3, 0])
  assert.deepEqual(
    index.search([1, 0, 0], 5).map(({ id, score }) => [id, score]),
    [
      ['x', 1],
      ['y', 0],
    ],
  )
})

test('what is not a vector of the index is refused and changes nothing', () => {
  const index = new VectorIndex(2)
  for (const wrong of [[1], [1, 2, 3], [0, 0], [Number.NaN, 1], [Number.POSITIVE_INFINITY, 1], [1e300, 1e300]])
    assert.throws(() => index.add('wrong', wrong), { code: 'invalid_request' }, String(wrong))
  assert.equal(index.size, 0)
  for (const dimensions of [0, -1, 1.5, Number.NaN, 10_000])
    assert.throws(() => new VectorIndex(dimensions), { code: 'invalid_request' })
})

/** Around one of forty directions, all of them on one side of the origin, as embeddings of texts are. */
function someVector(random: () => number): Float32Array {
  const topic = randomNumbers(1000 + Math.floor(40 * random()))
  return Float32Array.from({ length: dimensions }, () => 0.5 + topic() + 0.8 * (random() - 0.5))
}

function exactly(vectors: Float32Array[], query: Float32Array, most: number): string[] {
  const scored = vectors.map((vector, at) => ({ at, score: cosine(vector, query) })).sort((a, b) => b.score - a.score)
  return scored.slice(0, most).map(({ at }) => String(at))
}

function cosine(one: Float32Array, other: Float32Array): number {
  const dot = one.reduce((sum, value, at) => sum + value * other[at]!, 0)
  return dot / Math.hypot(...one) / Math.hypot(...other)
}
