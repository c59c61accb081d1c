import assert from 'node:assert/strict'
import { tracingChannel } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { type Step, step } from './step.ts'

test('a step answers what its effect does, and the journal hears of its begin, its end and its failure', async () => {
  assert.equal(await step('nobody.listens', 'x', async () => 1), 1)

  const heard: string[] = []
  const hear = (event: string) => (about: unknown) => void heard.push(`${event} ${(about as Step).name}`)
  const journal = tracingChannel('warren.step')
  journal.start.subscribe(hear('start'))
  journal.asyncEnd.subscribe(hear('end'))
  journal.error.subscribe(hear('error'))
  assert.equal(await step('file.write', 'x', async () => heard.push('effect')), 2)
  await assert.rejects(
    step('file.remove', 'x', () => Promise.reject(new Error('full'))),
    /full/,
  )
  assert.deepEqual(heard, [
    'start file.write',
    'effect',
    'end file.write',
    'start file.remove',
    'error file.remove',
    'end file.remove',
  ])
})
