import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })

async function start(graph: object, script: object[], more: object = {}): Promise<string> {
  const agent = { name: 'graph', model: 'scripted', policy: 'graph', graph, script, ...more }
  return (await platform.json('POST', '/v1/runs', { agent, input: 'Write about hares.' })).runId
}
const run = async (graph: object, script: object[], more?: object): Promise<Answer> =>
  settledRun(platform, await start(graph, script, more))

const put = (name: string, more: object) =>
  platform.json('PUT', `/v1/agents/${name}`, { name, model: 'scripted', ...more })

async function entriesOf(runId: string, type: string): Promise<Answer[]> {
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)
  return entries.filter((entry: Answer) => entry.type === type).map(({ data }: Answer) => data)
}

/** The nodes as they ended: which, how, and where their results went. */
const ended = async (runId: string) =>
  (await entriesOf(runId, 'graph.node_ended')).map(({ node, status, sent }) => [node, status, ...sent])

async function assertReplays(runId: string): Promise<void> {
  const again = await platform.json('POST', `/v1/runs/${runId}/replay`, {})
  assert.equal(again.diverged, false, JSON.stringify(again))
}

test('agents work at the same time on what they are sent, and a join has both results', async () => {
  const ask = (question: string) => [
    { calls: [{ name: 'ask_human', arguments: { question } }] },
    { text: '{{result 1}}' },
  ]
  await put('left', { tools: ['ask_human'], script: ask('What do hares eat?') })
  await put('right', { tools: ['ask_human'], script: ask('Where do hares live?') })
  const graph = {
    nodes: [
      { id: 'split', task: 'Say what is to be found out.' },
      { id: 'food', agent: 'left' },
      { id: 'places', agent: 'right', task: 'Find out where.' },
      { id: 'merge', join: 'all', task: 'Write it.' },
    ],
    edges: [
      { from: 'split', to: 'food' },
      { from: 'split', to: 'places' },
      { from: 'food', to: 'merge' },
      { from: 'places', to: 'merge' },
    ],
  }
  const script = [
    { text: 'Food and places.', expect: { lastText: 'The whole task: Write about hares.' } },
    {
      text: 'Grass in fields.',
      expect: { lastText: 'From food:\ngrass\n\nFrom places:\nfields\n\nYour part: Write it.' },
    },
  ]
  const runId = await start(graph, script)
  const children = await until('both wait for a human at once', async () => {
    const { runs } = await platform.json('GET', '/v1/runs?state=waiting')
    const own = runs.filter(({ parent }: Answer) => parent === runId)
    return own.length === 2 ? (own as Answer[]) : undefined
  })
  for (const child of children) {
    const { approvals } = await platform.json('GET', `/v1/runs/${child.runId}`)
    const text = child.agent === 'left' ? 'grass' : 'fields'
    const answer = { decision: 'approve', text }
    await platform.json('POST', `/v1/runs/${child.runId}/approvals/${approvals[0].id}`, answer)
  }
  const found = await settledRun(platform, runId)
  assert.deepEqual([found.state, found.output], ['done', 'Grass in fields.'], JSON.stringify(found))
  assert.deepEqual(await ended(runId), [
    ['split', 'done', 'food', 'places'],
    ['food', 'done', 'merge'],
    ['places', 'done', 'merge'],
    ['merge', 'done'],
  ])
  const [split, food] = await entriesOf(runId, 'graph.node_ended')
  assert.ok(split.usage.inputTokens > 0 && food.usage.inputTokens > 0)
  const asked = (await entriesOf(runId, 'graph.node_started')).find(({ node }) => node === 'places')
  const task = 'From split:\nFood and places.\n\nYour part: Find out where.'
  assert.ok(asked.text.startsWith(`The whole task: Write about hares.\n\n${task}`), asked.text)
  await assertReplays(runId)
})

test('a circle goes on until a condition holds, and no longer than a node may begin', async () => {
  const graph = {
    nodes: [
      { id: 'write', task: 'Write.' },
      { id: 'review', task: 'Review.', instructions: 'You are strict.' },
      { id: 'publish', task: 'Publish.' },
    ],
    start: ['write'],
    edges: [
      { from: 'write', to: 'review' },
      { from: 'review', to: 'publish', matches: '^ACCEPT' },
      { from: 'review', to: 'write', otherwise: true },
    ],
  }
  const script = [
    { text: 'Draft one.' },
    { text: 'Too short.', expect: { anyText: 'You are strict.' } },
    { text: 'Draft two.', expect: { lastText: 'From review:\nToo short.' } },
    { text: 'ACCEPT', expect: { lastText: 'Draft two.' } },
    { text: 'It is published.' },
  ]
  const found = await run(graph, script)
  assert.deepEqual([found.state, found.output], ['done', 'It is published.'], JSON.stringify(found))
  await assertReplays(found.runId)
  const fork = await platform.json('POST', `/v1/runs/${found.runId}/fork`, { at: 3 })
  assert.equal((await settledRun(platform, fork.runId)).output, 'It is published.')

  const never = Array.from({ length: 10 }, (_, n) => ({ text: `Never ${n}.` }))
  const stopped = await run({ ...graph, maxVisits: 2 }, never)
  assert.deepEqual([stopped.state, stopped.reason, stopped.steps], ['stopped', 'no_progress', 4])
  assert.match(stopped.message, /node write has begun 2 times/)
})

test('a join does not wait for a branch that was not taken', async () => {
  const graph = {
    nodes: [{ id: 'sort' }, { id: 'long' }, { id: 'short' }, { id: 'end', join: 'all' }],
    edges: [
      { from: 'sort', to: 'long', matches: 'long' },
      { from: 'sort', to: 'short', otherwise: true },
      { from: 'long', to: 'end' },
      { from: 'short', to: 'end' },
    ],
  }
  const found = await run(graph, [
    { text: 'It is brief.' },
    { text: 'S' },
    { text: 'End.', expect: { lastText: 'From short:\nS' } },
  ])
  assert.deepEqual([found.state, found.output], ['done', 'End.'], JSON.stringify(found))
  assert.deepEqual(
    (await ended(found.runId)).map(([node]) => node),
    ['sort', 'short', 'end'],
  )
})

test('a node that fails is tried again alone, then goes where failures go, or ends the run', async () => {
  const edges = [
    { from: 'try', to: 'fine' },
    { from: 'try', to: 'mend', failed: true },
  ]
  const graph = { nodes: [{ id: 'try' }, { id: 'fine' }, { id: 'mend' }], edges }
  const fails = [
    { text: 'FAILED: no ink' },
    { text: 'FAILED: no paper', expect: { lastText: 'failed: FAILED: no ink' } },
  ]
  const mended = await run(graph, [...fails, { text: 'Mended.', expect: { lastText: 'From try:\nFAILED: no paper' } }])
  assert.deepEqual([mended.state, mended.output], ['done', 'Mended.'], JSON.stringify(mended))
  await assertReplays(mended.runId)
  const again = await run(graph, [fails[0]!, { text: 'Written.' }, { text: 'Fine.' }])
  assert.equal(again.output, 'Fine.')
  const failed = await run({ nodes: [{ id: 'try', attempts: 1 }] }, [fails[0]!])
  assert.deepEqual([failed.state, failed.reason], ['failed', 'graph_failed'])
  assert.match(failed.message, /node try failed: FAILED: no ink/)
  // As a process would find it that is started after the end of the node was written, and the end of the run was not.
  const fork = await platform.json('POST', `/v1/runs/${failed.runId}/fork`, { at: 1 })
  const forked = await settledRun(platform, fork.runId)
  assert.deepEqual([forked.state, forked.message], ['failed', failed.message])
  await put('gives-up', { script: [{ text: 'FAILED: no pen' }] })
  const other = await run({ nodes: [{ id: 'x', agent: 'gives-up', attempts: 1 }] }, [])
  assert.match(other.message, /node x failed: FAILED: no pen/)
  const missing = await run({ nodes: [{ id: 'x', agent: 'nobody', attempts: 1 }] }, [])
  assert.match(missing.message, /there is no agent nobody/)
})

test('a human is asked before a node, is heard by the next ones, and rules hold for agents that a graph spawns', async () => {
  await put('left', { script: [{ text: 'Left.' }] })
  const graph = {
    nodes: [{ id: 'free' }, { id: 'asked', approval: true, task: 'Publish it.' }, { id: 'spawned', agent: 'left' }],
    edges: [{ from: 'asked', to: 'spawned' }],
  }
  const script = [{ text: 'Free.' }, { text: 'Published.', expect: { anyText: 'Said since it began:\nIn French.' } }]
  const rules = [{ tool: 'spawn_agent', arguments: { agent: '^left$' }, action: 'ask' }]
  const waiting = await run(graph, script, { rules })
  assert.deepEqual([waiting.state, waiting.approvals.length], ['waiting', 1], JSON.stringify(waiting))
  assert.deepEqual([waiting.approvals[0].kind, waiting.approvals[0].text], ['plan_step', 'Publish it.'])
  await platform.json('POST', `/v1/runs/${waiting.runId}/messages`, { text: 'In French.' })
  const path = (approval: string) => `/v1/runs/${waiting.runId}/approvals/${approval}`
  await platform.json('POST', path(waiting.approvals[0].id), { decision: 'approve' })
  const asks = await settledRun(platform, waiting.runId)
  assert.deepEqual([asks.state, asks.approvals[0].tool], ['waiting', 'spawn_agent'], JSON.stringify(asks))
  await platform.json('POST', path(asks.approvals[0].id), { decision: 'approve' })
  const found = await settledRun(platform, waiting.runId)
  assert.deepEqual([found.state, found.output], ['done', 'free:\nFree.\n\nspawned:\nLeft.'])
  await assertReplays(found.runId)

  const refused = await run({ nodes: [{ id: 'asked', approval: true }] }, [{ text: 'Never.' }])
  await platform.json('POST', `/v1/runs/${refused.runId}/approvals/${refused.approvals[0].id}`, { decision: 'deny' })
  const end = await settledRun(platform, refused.runId)
  assert.deepEqual([end.reason, end.steps], ['graph_failed', 0])
})

test('a node has the tools that it is given, and none to spawn agents by', async () => {
  const graph = { nodes: [{ id: 'a', tools: ['calculator'] }, { id: 'b', agent: 'left' }, { id: 'c' }] }
  const call = (name: string, args: object) => ({ calls: [{ name, arguments: args }] })
  const script = [
    { ...call('remember', { fact: 'no' }), expect: { tools: ['calculator'] } },
    { text: 'A.' },
    { ...call('spawn_agent', { agent: 'left', task: 'x' }), expect: { tools: ['remember', 'calculator'] } },
    { text: 'C.' },
  ]
  const found = await run(graph, script, { tools: ['calculator', 'remember'] })
  assert.equal(found.state, 'done', JSON.stringify(found))
  const wrong = (await entriesOf(found.runId, 'tool.ended')).filter(({ error }) => error === 'unknown_tool')
  assert.deepEqual(
    wrong.map(({ tool, text }) => [tool, text]),
    [
      ['remember', 'There is no tool "remember". There are: calculator, read_result.'],
      ['spawn_agent', 'There is no tool "spawn_agent". There are: calculator, read_result, remember.'],
    ],
  )
})

test('what cannot work is refused: no graph, a wrong one, a session', async () => {
  const refuse = async (agent: object, path = '/v1/runs') => {
    const spec = { name: 'graph', model: 'scripted', script: [], policy: 'graph', ...agent }
    const task = path === '/v1/runs' && { input: 'x' }
    const response = await platform.call('POST', path, { agent: spec, ...task })
    assert.equal(response.status, 400)
    return response.text()
  }
  assert.match(await refuse({}), /goes with the field/)
  assert.match(await refuse({ policy: 'react', graph: { nodes: [{ id: 'a' }] } }), /goes with the field/)
  assert.match(await refuse({ graph: { nodes: [{ id: 'a' }], edges: [{ from: 'a', to: 'b' }] } }), /needs a node/)
  assert.match(await refuse({ graph: { nodes: [{ id: 'a' }] }, completion: { matches: 'x' } }), /completion/)
  assert.match(await refuse({ graph: { nodes: [{ id: 'a' }] } }, '/v1/sessions'), /a session needs the policy react/)
})

test('agents of a graph work eight at a time, and a graph that only spawns them ends', async () => {
  await put('asks', {
    tools: ['ask_human'],
    script: [{ calls: [{ name: 'ask_human', arguments: { question: 'May I?' } }] }, { text: 'Asked.' }],
  })
  const nodes = Array.from({ length: 10 }, (_, n) => ({ id: `n${n}`, agent: 'asks' }))
  const runId = await start({ nodes }, [])
  const answered = new Set<string>()
  await until('all have asked', async () => {
    const { runs } = await platform.json('GET', '/v1/runs?state=waiting')
    for (const child of runs.filter(({ parent }: Answer) => parent === runId)) {
      const { approvals } = await platform.json('GET', `/v1/runs/${child.runId}`)
      if (!approvals?.[0] || answered.has(approvals[0].id)) continue
      // Until as many as may have begun, nobody goes on.
      if (answered.size === 0 && runs.filter(({ parent }: Answer) => parent === runId).length < 8) return undefined
      await platform.json('POST', `/v1/runs/${child.runId}/approvals/${approvals[0].id}`, { decision: 'approve' })
      answered.add(approvals[0].id)
    }
    return answered.size === 10 || undefined
  })
  assert.equal((await settledRun(platform, runId)).state, 'done')
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)
  let [now, most] = [0, 0]
  for (const { type } of entries) {
    if (type === 'tool.started') most = Math.max(most, ++now)
    if (type === 'tool.ended') now--
  }
  assert.equal(most, 8)

  await put('gives-up', { script: [{ text: 'FAILED: no pen' }] })
  const circle = {
    nodes: [{ id: 'x', agent: 'gives-up' }],
    start: ['x'],
    edges: [{ from: 'x', to: 'x', failed: true }],
    maxVisits: 1000,
  }
  const stopped = await run(circle, [], { limits: { maxSteps: 5 } })
  assert.deepEqual([stopped.state, stopped.reason], ['stopped', 'max_steps'], JSON.stringify(stopped))
  assert.equal((await entriesOf(stopped.runId, 'graph.node_started')).length, 5)
  const wide = await run({ nodes: nodes.map(({ id }) => ({ id, agent: 'gives-up' })) }, [], { limits: { maxSteps: 3 } })
  assert.equal(wide.reason, 'max_steps')
  assert.equal((await entriesOf(wide.runId, 'graph.node_started')).length, 3)
})

test('what a human has answered to one node is taken though another has gone on', async () => {
  const graph = { nodes: [{ id: 'asks' }, { id: 'works' }] }
  const script = [
    { calls: [{ name: 'ask_human', arguments: { question: 'Which colour?' } }] },
    { text: 'Worked.' },
    { text: 'It is {{result 1}}.' },
  ]
  const waiting = await run(graph, script, { tools: ['ask_human'] })
  assert.deepEqual(
    [waiting.state, waiting.steps, waiting.approvals?.length],
    ['waiting', 2, 1],
    JSON.stringify(waiting),
  )
  const answer = { decision: 'approve', text: 'brown' }
  await platform.json('POST', `/v1/runs/${waiting.runId}/approvals/${waiting.approvals[0].id}`, answer)
  const found = await settledRun(platform, waiting.runId)
  assert.equal(found.state, 'done', JSON.stringify(found))
  assert.match(found.output, /It is brown\./)
  await assertReplays(found.runId)
})

test('the result of an agent is whole however long it is, and one that is sent more than a task may hold has its beginning', async () => {
  const text = `${'x'.repeat(120_000)} the end`
  await put('long', { script: [{ text }] })
  await put('left', { script: [{ text: 'Left.' }] })
  const whole = await run({ nodes: [{ id: 'x', agent: 'long' }] }, [])
  assert.deepEqual([whole.state, whole.output === text], ['done', true])
  await assertReplays(whole.runId)
  const graph = {
    nodes: [
      { id: 'x', agent: 'long' },
      { id: 'y', agent: 'left', task: 'Shorten it.' },
    ],
    edges: [{ from: 'x', to: 'y' }],
  }
  const found = await run(graph, [])
  assert.deepEqual([found.state, found.output], ['done', 'Left.'], JSON.stringify(found).slice(0, 500))
  const sent = (await entriesOf(found.runId, 'graph.node_started')).at(-1)!
  assert.match(sent.text, /^The whole task: Write about hares\.\n\nFrom x:\nx{80000}x*\n\nYour part: Shorten it\./)
})

test('a fork asks anew what was open, and after a rollback an agent does its part anew', async () => {
  const asked = await run({ nodes: [{ id: 'asked', approval: true }] }, [{ text: 'Done.' }])
  const fork = await platform.json('POST', `/v1/runs/${asked.runId}/fork`, { at: 0 })
  const waiting = await settledRun(platform, fork.runId)
  assert.deepEqual([waiting.state, waiting.approvals?.length], ['waiting', 1], JSON.stringify(waiting))
  await platform.json('POST', `/v1/runs/${fork.runId}/approvals/${waiting.approvals[0].id}`, { decision: 'approve' })
  const done = await settledRun(platform, fork.runId)
  assert.deepEqual([done.state, done.output], ['done', 'Done.'], JSON.stringify(done))

  await put('left', { script: [{ text: 'Left.' }] })
  const graph = { nodes: [{ id: 'a' }, { id: 'b', agent: 'left' }], edges: [{ from: 'a', to: 'b' }] }
  const first = await run(graph, [{ text: 'A.' }])
  await platform.json('POST', `/v1/runs/${first.runId}/rollback`, { at: 0 })
  assert.equal((await settledRun(platform, first.runId)).output, 'Left.')
  const { runs } = await platform.json('GET', '/v1/runs?agent=left&limit=100')
  assert.equal(runs.filter(({ parent }: Answer) => parent === first.runId).length, 2)
})

test('another attempt has all that the first one was told, whatever is in it', async () => {
  const task = 'Mend this: An earlier attempt failed: no ink.'
  const graph = { nodes: [{ id: 'a' }, { id: 'b', task }], edges: [{ from: 'a', to: 'b' }] }
  const said = 'It says:\n\nAn earlier attempt failed: no ink.'
  const found = await run(graph, [{ text: said }, { text: 'FAILED: no paper' }, { text: 'Mended.' }])
  assert.equal(found.output, 'Mended.', JSON.stringify(found))
  const [, one, two] = await entriesOf(found.runId, 'graph.node_started')
  assert.equal(two.text, `${one.text}\n\nAn earlier attempt failed: FAILED: no paper`)
})
