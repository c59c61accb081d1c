import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildSerializer, lastingAnswer } from './serialization.ts'

const schema = { type: 'object', properties: { id: { type: 'string' } } }

test('an answer that lasts is serialised once by each route, and one that does not each time', () => {
  const serialize = buildSerializer({})({ schema })
  const other = buildSerializer({})({ schema: { type: 'object', properties: { secret: { type: 'string' } } } })
  const [lasts, changes] = [lastingAnswer({ id: 'a', secret: 'x' }), { id: 'a', secret: 'x' }]
  assert.equal(serialize(lasts), '{"id":"a"}')
  assert.equal(serialize(changes), '{"id":"a"}')
  lasts.id = changes.id = 'b'
  assert.equal(serialize(lasts), '{"id":"a"}')
  assert.equal(serialize(changes), '{"id":"b"}')
  // What one route leaves out another may say.
  assert.equal(other(lasts), '{"secret":"x"}')
})
