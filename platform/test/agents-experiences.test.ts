import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEmbeddingServer } from './embedding-server.ts'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'

const embeddings = await startEmbeddingServer()
const key = 'sk-embedding-0123456789'
const settings = {
  WARREN_EMBEDDING_MODEL: 'meanings',
  WARREN_EMBEDDING_URL: embeddings.url,
  WARREN_EMBEDDING_KEYS: key,
}
const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })

const spec = { name: 'keeper', model: 'scripted', script: [{ text: 'Done.' }], memory: { experiences: true } }

/** Runs it, and answers with what it was told of earlier runs. */
async function run(input: string): Promise<string> {
  const { runId } = await platform.json('POST', '/v1/runs', { agent: spec, input })
  await settledRun(platform, runId)
  await until('it is learned', async () => (await found()).some((one: Answer) => one.runId === runId) || undefined)
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=100`)
  return entries[0].data.lessons ?? ''
}

async function found(like?: string): Promise<Answer[]> {
  const query = like === undefined ? '' : `&like=${encodeURIComponent(like)}`
  return (await platform.json('GET', `/v1/experiences?agent=keeper&limit=9${query}`)).experiences
}

test('experiences are found by what they mean, those from before there was a model too; while it fails by their words', async () => {
  assert.equal(await run('Feed my feline at noon'), '')
  assert.equal(await run('Wash the vehicle'), '')
  assert.equal(embeddings.requests.length, 0)
  assert.ok((await found('cat')).every(({ score }) => score < 0.5))
  await platform.kill('SIGTERM')
  await platform.start(settings)

  // Whoever looks for something has vectors made of what has none.
  const cat = await until('vectors are made', async () => (await found('cat')).find(({ score }) => score > 0.9))
  assert.equal(cat.task, 'Feed my feline at noon')
  const asked = embeddings.requests.flatMap(({ input }) => input)
  assert.deepEqual(asked.filter((text) => text !== 'cat').sort(), ['Feed my feline at noon', 'Wash the vehicle'])
  // They are told to a run with a task that has none of their words, and are no newer than they were.
  assert.match(await run('Buy a car'), /as information only[\s\S]*Wash the vehicle/)
  assert.deepEqual(
    (await found()).map(({ task }: Answer) => task),
    ['Buy a car', 'Wash the vehicle', 'Feed my feline at noon'],
  )
  await platform.kill('SIGKILL')
  embeddings.requests.length = 0
  await platform.start(settings)
  assert.equal((await found('cat'))[0].task, 'Feed my feline at noon')
  assert.deepEqual(
    embeddings.requests.map(({ input }) => input),
    [['cat']],
  )

  embeddings.fault = 'not a number'
  embeddings.requests.length = 0
  assert.match(await run('Wash the vehicle again'), /Wash the vehicle/)
  assert.equal(embeddings.requests.length, 1)
  assert.match(platform.log(), /experiences are found by their words alone/)
  assert.ok(!platform.log().includes(key))
})
