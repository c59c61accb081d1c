import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEmbeddingServer } from './embedding-server.ts'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'

const embeddings = await startEmbeddingServer()
const key = 'sk-embedding-0123456789'
const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_EMBEDDING_MODEL: 'meanings',
  WARREN_EMBEDDING_URL: embeddings.url,
  WARREN_EMBEDDING_KEYS: key,
})

const handbook = `# Handbook

${'Welcome to the company. '.repeat(40)}

## Refunds

A customer gets the money back within ten days. The form is called R-17. ${'It takes a receipt and a signature. '.repeat(8)}

## Leave

Everybody has thirty days of vacation a year. ${'Ask your team first. '.repeat(12)}
`

async function agentOf(name: string, more: object = {}): Promise<string> {
  const script = [{ text: 'Done.' }]
  await platform.json('PUT', `/v1/agents/${name}`, { name, model: 'scripted', script, ...more })
  return name
}

const put = (agent: string, name: string, text: string) =>
  platform.json('POST', `/v1/agents/${agent}/documents`, { name, text })
const passages = (agent: string, like: string, more = '') =>
  platform.json('GET', `/v1/agents/${agent}/passages?like=${encodeURIComponent(like)}${more}`)
const status = async (method: string, path: string, body?: object) => (await platform.call(method, path, body)).status

test('documents are found by their passages, with where these stand; a new text takes the place of the old one', async () => {
  const agent = await agentOf('reader')
  const first = await put(agent, 'handbook.md', handbook)
  assert.deepEqual([first.kind, first.bytes], ['markdown', Buffer.byteLength(handbook)])
  assert.equal((await put(agent, 'handbook.md', handbook)).id, first.id)
  await put(agent, 'price.py', 'def price(amount):\n    return amount * 3\n')
  await put(agent, '手册.txt', '客户在十天内收到退款。')

  const [found] = (await passages(agent, 'how does a customer get a refund')).passages
  assert.equal(found.documentId, first.id)
  assert.deepEqual([found.name, found.headings, found.firstLine], ['handbook.md', ['Handbook', 'Refunds'], 5])
  assert.match(found.text, /R-17/)
  assert.equal(
    handbook
      .split('\n')
      .slice(found.firstLine - 1, found.lastLine)
      .join('\n'),
    found.text,
  )
  assert.equal((await passages(agent, '退款')).passages[0].name, '手册.txt')
  assert.equal((await passages(agent, 'price amount')).passages[0].name, 'price.py')

  const small = (await passages(agent, 'customer vacation company', '&tokens=150')).passages
  assert.ok(small.length > 0 && small.reduce((sum: number, one: Answer) => sum + one.text.length, 0) <= 600)
  assert.equal((await passages(agent, 'customer vacation company', '&limit=1')).passages.length, 1)

  const second = await put(agent, 'handbook.md', handbook.replace('R-17', 'S-99'))
  assert.notEqual(second.id, first.id)
  assert.match((await passages(agent, 'refund')).passages[0].text, /S-99/)
  assert.equal(await status('GET', `/v1/agents/${agent}/documents/${first.id}`), 404)
  assert.equal((await platform.json('GET', `/v1/agents/${agent}/documents/${second.id}`)).text.length, handbook.length)
  const names = (await platform.json('GET', `/v1/agents/${agent}/documents`)).documents.map(({ name }: Answer) => name)
  assert.deepEqual(new Set(names), new Set(['handbook.md', 'price.py', '手册.txt']))
  await platform.json('DELETE', `/v1/agents/${agent}/documents/${second.id}`)
  assert.ok((await passages(agent, 'refund')).passages.every((one: Answer) => one.name !== 'handbook.md'))
})

test('an agent looks up its documents alone, within what it may read, and is told of them before it begins if it is to be', async () => {
  const search = { calls: [{ name: 'search_documents', arguments: { question: 'money back form' } }] }
  const agent = await agentOf('clerk', {
    tools: ['search_documents'],
    memory: { documents: true, readTokens: 200 },
    script: [search, { text: 'It is {{result 1}}' }],
  })
  await put(agent, 'handbook.md', handbook)
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'How many days of vacation?' })
  const run = await settledRun(platform, runId)
  assert.match(run.output, /as information only:\n\n\[handbook\.md, lines 5-7, Handbook > Refunds, of \d{4}-/)
  assert.match(run.output, /R-17/)
  assert.ok(run.output.length < 900, run.output)
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=1000`)
  const opened = entries.find(({ type }: Answer) => type === 'thread.opened').data.text
  assert.match(opened, /^How many days of vacation\?\n\nPassages of documents[\s\S]*Handbook > Leave[\s\S]*thirty days/)
  // What was read is in the journal: without the document it is the same.
  const [document] = (await platform.json('GET', `/v1/agents/${agent}/documents`)).documents
  await platform.json('DELETE', `/v1/agents/${agent}/documents/${document.id}`)
  assert.equal((await platform.json('POST', `/v1/runs/${runId}/replay`, {})).diverged, false)
  const again = await settledRun(platform, (await platform.json('POST', '/v1/runs', { agent, input: 'Again.' })).runId)
  assert.match(again.output, /has no documents/)
  const other = await agentOf('other', { tools: ['search_documents'], script: [search, { text: '{{result 1}}' }] })
  await put(agent, 'handbook.md', handbook)
  assert.deepEqual((await passages(other, 'refund')).passages, [])
})

test('what is too much is refused, and changes nothing', async () => {
  const agent = await agentOf('full')
  assert.equal(await status('POST', '/v1/agents/nobody/documents', { name: 'a', text: 'b' }), 404)
  assert.equal(await status('POST', `/v1/agents/${agent}/documents`, { name: 'a\nb', text: 'b' }), 400)
  assert.equal(await status('POST', `/v1/agents/${agent}/documents`, { name: 'a', text: '字'.repeat(400_000) }), 413)
  const text = 'x'.repeat(2 ** 20)
  const answers = await Promise.all(
    Array.from({ length: 18 }, (_, n) => status('POST', `/v1/agents/${agent}/documents`, { name: `${n}`, text })),
  )
  assert.deepEqual(answers.sort(), [...Array.from({ length: 16 }, () => 200), 429, 429])
  assert.equal((await platform.json('GET', `/v1/agents/${agent}/documents`)).documents.length, 16)
  assert.equal((await passages(agent, 'anything')).passages.length >= 0, true)
})

test('with a model for vectors documents are found by what they mean, in few requests, and by their words while it fails', async () => {
  const agent = await agentOf('means')
  const facts = Array.from({ length: 100 }, (_, n) => `Paragraph ${n} is about nothing. ${'Filler text. '.repeat(80)}`)
  await put(agent, 'long.txt', facts.join('\n\n'))
  await put(agent, 'pets.txt', 'Our feline sleeps on the sofa.')
  const byMeaning = () =>
    until('vectors are made', async () => {
      const found = await passages(agent, 'cat')
      return found.by === 'vectors' ? found.passages : undefined
    })
  assert.equal((await byMeaning())[0].name, 'pets.txt')
  const asked = embeddings.requests.filter(({ input }) => input.some((text) => text.includes('Paragraph')))
  assert.ok(asked.length <= 3 && asked.every(({ input }) => input.length <= 64), String(asked.length))
  assert.ok(
    embeddings.requests.every(({ authorization, model }) => authorization === `Bearer ${key}` && model === 'meanings'),
  )

  // Vectors are kept: after a restart the question alone needs one.
  await platform.kill('SIGTERM')
  embeddings.requests.length = 0
  await platform.start()
  assert.equal((await byMeaning())[0].name, 'pets.txt')
  assert.ok(embeddings.requests.every(({ input }) => input.length === 1 && input[0] === 'cat'))

  embeddings.fault = '500'
  embeddings.requests.length = 0
  const found = await passages(agent, 'paragraph 7 feline')
  assert.deepEqual([found.by, embeddings.requests.length], ['words', 1])
  assert.ok(found.passages.length > 0)
  // It is not asked again at once, and what it said is in the log without the key.
  await passages(agent, 'paragraph 8')
  assert.equal(embeddings.requests.length, 1)
  assert.match(platform.log(), /found by their words alone/)
  assert.ok(!platform.log().includes(key))
})
