import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPlatform } from './platform.ts'
import { settledRun } from './settled-run.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })

interface Heard {
  id?: string
  event?: string
}

/** Events of a run in the order in which they come, until there are `most` with an id or the stream ends. */
async function follow(runId: string, most: number, init: RequestInit & { query?: string } = {}): Promise<Heard[]> {
  const { query = '', ...more } = init
  const path = `/v1/runs/${runId}/events${query}`
  const response = await platform.call('GET', path, undefined, more)
  assert.equal(response.status, 200)
  const heard: Heard[] = []
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body!) {
    const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s).slice(0, 2)))
      if (!fields.event) continue
      heard.push(fields)
      if (heard.filter(({ id }) => id).length === most) return heard
    }
  }
  return heard
}

const idsOf = (heard: readonly Heard[]) => heard.flatMap(({ id }) => (id ? [Number(id)] : []))
const call = (a: number, waitMs = 0) => ({
  calls: [{ name: 'calculator', arguments: { expression: `${a} + 1` } }],
  waitMs,
})

for (const durability of ['every', 'effects'])
  test(`who follows a run and comes back with Last-Event-ID hears each entry once, with durability ${durability}`, async () => {
    const script = [call(1), call(2, 300), call(3, 300), { text: 'Done.' }]
    const agent = { name: 'followed', model: 'scripted', tools: ['calculator'], durability, script }
    const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'Do it.' })
    const first = await follow(runId, 3)
    const second = await follow(runId, 2, { headers: { 'last-event-id': first.findLast(({ id }) => id)!.id! } })
    const third = await follow(runId, 1000, { headers: { 'last-event-id': second.findLast(({ id }) => id)!.id! } })
    assert.equal(third.at(-1)?.event, 'run')
    assert.equal((await settledRun(platform, runId)).state, 'done')
    const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=1000`)
    const all = entries.map(({ seq }: { seq: number }) => seq)
    assert.deepEqual([...idsOf(first), ...idsOf(second), ...idsOf(third)], all)
    // What a client was told last counts, whatever it asked for at first; a number alone does as well.
    const over = { query: '?after=1', headers: { 'last-event-id': String(all.at(-2)) } }
    assert.deepEqual(idsOf(await follow(runId, 1000, over)), [all.at(-1)])
    assert.deepEqual(idsOf(await follow(runId, 1000, { query: `?after=${all.at(-3)}` })), all.slice(-2))
    const wrong = { headers: { 'last-event-id': 'x y' } }
    assert.equal((await platform.call('GET', `/v1/runs/${runId}/events`, undefined, wrong)).status, 400)
  })
