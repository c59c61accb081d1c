import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })

/** A run of an agent that is given with it, once it has ended. */
async function run(spec: object, input = 'Do it.'): Promise<Answer> {
  const agent = { name: 'tested', model: 'scripted', ...spec }
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input })
  return until(
    `run ${runId} has ended`,
    async () => {
      const found = await platform.json('GET', `/v1/runs/${runId}`)
      return ['queued', 'running'].includes(found.state) ? undefined : found
    },
    60_000,
  )
}

async function trace(runId: string): Promise<Answer[]> {
  return (await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)).entries
}

async function results(runId: string): Promise<string[]> {
  return (await trace(runId)).filter(({ type }) => type === 'tool.ended').map(({ data }) => data.text)
}

const call = (name: string, args: object) => ({ calls: [{ name, arguments: args }] })

test('facts are found by their words with their run, and one that is replaced is not', async () => {
  const tools = ['remember', 'recall']
  const kept = await run({
    tools,
    script: [
      call('remember', { fact: 'The invoices of Acme come as PDF.' }),
      call('remember', { fact: '客户的发票每月一号到达。', days: 3 }),
      { text: 'Kept.' },
    ],
  })
  const [told] = await results(kept.runId)
  const id = /[0-9a-f]{8}/.exec(told!)![0]
  const asked = await run({
    tools,
    script: [
      call('recall', { words: 'which invoice format' }),
      call('recall', { words: '发票' }),
      call('remember', { fact: 'Since May the invoices of Acme come as XML.', replaces: id }),
      call('remember', { fact: 'It replaces nothing.', replaces: '00000000' }),
      call('recall', { words: 'invoice acme replaces' }),
      { text: 'Asked.' },
    ],
  })
  const [first, chinese, , missing, later] = await results(asked.runId)
  assert.match(first!, new RegExp(`PDF\\. \\[${id}, \\d{4}-\\d\\d-\\d\\d, run ${kept.runId}\\]`))
  assert.match(chinese!, /发票.*until/)
  assert.match(missing!, /there is no fact 00000000/)
  assert.match(later!, /XML/)
  assert.doesNotMatch(later!, /PDF|replaces nothing/)
  const other = await run({ name: 'another', tools, script: [call('recall', { words: 'invoices' }), { text: 'No.' }] })
  assert.deepEqual(await results(other.runId), ['Nothing is known of that.'])
})

test('who keeps a fact is shown those that are like it, so that one can take the place of the other', async () => {
  const spec = { name: 'careful', tools: ['remember'] }
  const kept = await run({
    ...spec,
    script: [
      call('remember', { fact: 'The office of Acme is in Lisbon.' }),
      call('remember', { fact: 'Invoices come as PDF.' }),
      call('remember', { fact: 'The office of Acme is in Porto since May.' }),
      { text: 'Kept.' },
    ],
  })
  const [first, second, third] = await results(kept.runId)
  const id = /[0-9a-f]{8}/.exec(first!)![0]
  assert.match(first!, /^It is kept as [0-9a-f]{8}\.$/)
  assert.match(second!, /^It is kept as [0-9a-f]{8}\.$/)
  assert.match(third!, new RegExp(`like it.*\n- The office of Acme is in Lisbon\\. \\[${id}, [^\n]*$`))
})

test('a conversation that takes too much becomes shorter, goes on, and is the same when it is done again', async () => {
  const read = (n: number) => call('calculator', { expression: `${n}${' + 1'.repeat(300)}` })
  const script = [...Array.from({ length: 12 }, (_, n) => read(n)), { text: 'Done.' }]
  const spec = { tools: ['calculator'], memory: { contextTokens: 1500 }, script }
  const found = await run(spec, 'Add these.')
  assert.equal(found.state, 'done', JSON.stringify(found))
  const entries = await trace(found.runId)
  const compactions = entries.filter(({ type }) => type === 'thread.compacted')
  assert.ok(compactions.length > 0)
  for (const { data } of compactions) {
    assert.equal(data.from, 1)
    assert.ok(data.tokensAfter <= 0.9 * data.tokensBefore, JSON.stringify(data))
  }
  const replayed = await platform.json('POST', `/v1/runs/${found.runId}/replay`, {})
  assert.equal(replayed.diverged, false, JSON.stringify(replayed))
  const branch = await platform.json('POST', `/v1/runs/${found.runId}/fork`, { at: 11 })
  const forked = await until('the fork has ended', async () => {
    const one = await platform.json('GET', `/v1/runs/${branch.runId}`)
    return ['queued', 'running'].includes(one.state) ? undefined : one
  })
  assert.equal(forked.state, 'done')
})

test('a run is told what earlier ones with a like task have come to, after a kill -9 too', async () => {
  const spec = { name: 'learning', memory: { experiences: true }, tools: ['calculator'] }
  const task = 'Convert the March invoices of Acme from PDF to CSV'
  const first = await run(
    { ...spec, script: [call('calculator', { expression: '1 + 1' }), { text: 'All 12 done.' }] },
    task,
  )
  await platform.kill('SIGKILL')
  await platform.start()
  const opened = await until('the run has become an experience', async () => {
    const { runId } = await run(
      { ...spec, script: [{ text: 'Done.' }] },
      'Convert April invoices of Acme from PDF to CSV',
    )
    const thread = (await trace(runId)).find(({ type }) => type === 'thread.opened')
    const found = thread.data.text.includes('All 12 done.')
    return found ? { runId, text: thread.data.text as string } : undefined
  })
  assert.match(opened.text, /^Convert April[^\n]*\n\nEarlier runs/)
  assert.match(opened.text, /Task: Convert the March[^\n]*\n {2}Outcome: completed after 2 steps/)
  assert.match(opened.text, /Tools: calculator × 1/)
  assert.equal((await platform.json('POST', `/v1/runs/${opened.runId}/replay`, {})).diverged, false)
  assert.equal(first.state, 'done')

  const texts = async (more: object, input: string) => {
    const { runId } = await run({ ...spec, script: [{ text: 'Done.' }], ...more }, input)
    return (await trace(runId)).find(({ type }) => type === 'thread.opened').data.text
  }

  const like = `/v1/experiences?agent=learning&limit=5&like=${encodeURIComponent(task)}`
  const [best] = (await platform.json('GET', like)).experiences
  assert.deepEqual([best.runId, best.outcome, best.tools], [first.runId, 'completed', { calculator: 1 }])
  await platform.json('DELETE', `/v1/experiences/${first.runId}`)
  const left: Answer[] = (await platform.json('GET', like)).experiences
  assert.ok(left.every(({ runId }) => runId !== first.runId))
  const other = 'Describe the weather in Lisbon'
  assert.equal(await texts({}, other), other)
  assert.equal(await texts({ name: 'stranger' }, task), task)
  assert.equal(await texts({ memory: {} }, task), task)
})
