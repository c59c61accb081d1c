import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allEvents, eventsOf } from './events.ts'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '1' })
const sandbox = await platform.sandbox({ timeout: 3600 })

test('the log has what every process wrote, and when it came and went', async () => {
  await platform.json('POST', `${sandbox}/execute`, { command: 'echo first; echo wrong >&2' })
  const { entries } = await platform.json('GET', `${sandbox}/logs`)
  const of = (stream: string) =>
    entries
      .filter((entry: Answer) => entry.stream === stream)
      .map(({ text }: Answer) => text)
      .join('')
  assert.match(of('stdout'), /first\n/)
  assert.match(of('stderr'), /wrong\n/)
  assert.match(of('event'), /started.*exited/s)
  const seqs = entries.map(({ seq }: Answer) => seq)
  assert.deepEqual(
    seqs,
    seqs.toSorted((a: number, b: number) => a - b),
  )
  const last = seqs.at(-1)
  assert.deepEqual((await platform.json('GET', `${sandbox}/logs?after=${last}`)).entries, [])
})

test('the log is followed until the client goes away', async () => {
  const { entries } = await platform.json('GET', `${sandbox}/logs`)
  const controller = new AbortController()
  const response = await platform.call(
    'GET',
    `${sandbox}/logs?follow=true&after=${entries.at(-1)?.seq ?? 0}`,
    undefined,
    {
      signal: controller.signal,
    },
  )
  const seen: Answer[] = []
  const reading = (async () => {
    for await (const { data } of eventsOf(response)) seen.push(data)
  })().catch(() => {})
  await platform.json('POST', `${sandbox}/execute`, { command: 'echo followed' })
  await until('it is told', () => seen.some(({ text }) => text.includes('followed\n')))
  controller.abort()
  await reading
})

test('a log that is followed ends with an error when the sandbox does', async () => {
  const path = await platform.sandbox()
  const response = await platform.call('GET', `${path}/logs?follow=true`)
  await platform.call('DELETE', path)
  const events = await allEvents(response)
  assert.equal(events.at(-1)!.event, 'error')
})
