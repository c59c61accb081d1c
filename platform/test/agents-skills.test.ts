import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })

const skills = [
  {
    name: 'count-lines',
    description: 'Counts the lines of a file.',
    instructions: 'Run skills/count-lines/bin/count FILE.',
    files: { 'bin/count': '#!/bin/sh\nwc -l < "$1"', 'notes.txt': 'one\ntwo\nthree\n' },
  },
  { name: 'greet', description: 'Greets.', instructions: 'Say hello in the language of the reader.' },
]
const call = (name: string, args: object) => ({ calls: [{ name, arguments: args }] })

async function run(spec: object): Promise<Answer> {
  const agent = { name: 'skilled', model: 'scripted', checkpoints: false, ...spec }
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'Do it.' })
  return until(
    `run ${runId} has ended`,
    async () => {
      const found = await platform.json('GET', `/v1/runs/${runId}`)
      return ['queued', 'running'].includes(found.state) ? undefined : found
    },
    60_000,
  )
}

async function results(runId: string): Promise<Answer[]> {
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)
  return entries.filter(({ type }: Answer) => type === 'tool.ended').map(({ data }: Answer) => data)
}

test('a skill is read when it is loaded, and its files are in the sandbox then', async () => {
  const found = await run({
    skills,
    tools: ['shell'],
    script: [
      { ...call('shell', { command: 'ls skills' }), expect: { tools: ['load_skill', 'shell'] } },
      call('load_skill', { name: 'greet' }),
      call('load_skill', { name: 'count-lines' }),
      call('shell', { command: 'skills/count-lines/bin/count skills/count-lines/notes.txt' }),
      call('load_skill', { name: 'none' }),
      { text: '{{result 4}}' },
    ],
  })
  const [before, greet, count, , none] = await results(found.runId)
  assert.equal(before.status, 'failed')
  assert.equal(greet.text, 'Say hello in the language of the reader.')
  assert.match(count.text, /^Run skills[\s\S]*- skills\/count-lines\/notes\.txt\]$/)
  assert.match(found.output, /^3\n/, JSON.stringify(found))
  assert.equal(none.error, 'invalid_arguments')
  const replay = (body: object) => platform.json('POST', `/v1/runs/${found.runId}/replay`, body)
  assert.deepEqual(await replay({}), { diverged: false, steps: 6 })
  const other = [{ ...skills[0], description: 'Counts words.' }, skills[1]]
  const agent = { name: 'skilled', model: 'scripted', tools: ['shell'], script: [], skills: other }
  assert.equal((await replay({ agent })).at, 1)
})

test('a skill without files needs no sandbox, and none reaches out of its folder', async () => {
  const script = [call('load_skill', { name: 'greet' }), { text: 'Hello.' }]
  const found = await run({ skills: [skills[1]], script })
  assert.equal(found.output, 'Hello.')
  const { entries } = await platform.json('GET', `/v1/runs/${found.runId}/trace`)
  assert.ok(!entries.some(({ type }: Answer) => type === 'sandbox.made'))
  for (const path of ['../x', '/etc/x', 'a//b', 'a/./b', 'a/..']) {
    const agent = { name: 'a', script: [], skills: [{ ...skills[1], files: { [path]: '' } }] }
    const refused = await platform.call('POST', '/v1/runs', { agent, input: 'x' })
    assert.match((await refused.json()).message, /is no path inside of its folder/, path)
  }
  const twice = { name: 'a', script: [], skills: [skills[1], skills[1]] }
  assert.equal((await platform.call('POST', '/v1/runs', { agent: twice, input: 'x' })).status, 400)
})
