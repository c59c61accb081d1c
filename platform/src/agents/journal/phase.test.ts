import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from './entry.ts'
import { phaseOf } from './phase.ts'

const of = (type: string, data: object = {}) => phaseOf({ seq: 1, at: 0, type, data } as Entry)

test('a step goes through perception, planning, action and perception again, and what judges or sums up is reflection', () => {
  const step = ['message.added', 'model.asked', 'model.answered', 'tool.started', 'tool.ended'].map((type) =>
    of(type, { thread: 'main' }),
  )
  assert.deepEqual(step, ['perception', 'planning', 'planning', 'action', 'perception'])
  assert.equal(of('model.answered', { thread: 'plan:1' }), 'planning')
  for (const thread of ['judge:3', 'summary:main:2']) assert.equal(of('model.answered', { thread }), 'reflection')
  assert.equal(of('plan.step_ended'), 'reflection')
  assert.equal(of('run.resumed'), undefined)
})
