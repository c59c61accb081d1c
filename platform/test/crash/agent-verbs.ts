import assert from 'node:assert/strict'
import { type Answer, type Platform, until } from '../platform.ts'
import { startServer, type ToolServer, text, tool } from '../tool-server.ts'
import type { Verb } from './verbs.ts'

const call = (name: string, args: object = {}) => ({ calls: [{ name, arguments: args }] })
/** Leases are renewed by a timer. */
const own = /^(?:agent\.(?!renew)|experience\.)/
const ended = ['done', 'stopped', 'failed', 'cancelled']

/** Runs of agents, killed wherever something of them is written. */
export async function agentVerbs(): Promise<Verb[]> {
  const server = await startServer(
    [tool('charge'), tool('set', { annotations: { idempotentHint: true } })],
    ({ name, arguments: { n } }) => text(`${name} ${n}`),
  )
  const mcp = [{ name: 'shop', url: server.url }]
  return [
    runVerb(server, 'a run that reads, writes and does what must not happen twice', {
      spec: {
        mcp,
        tools: ['calculator', 'remember', 'spawn_agent', 'ask_human'],
        rules: [{ tool: 'shop__set', action: 'ask' }],
        script: [
          {
            calls: [
              { name: 'calculator', arguments: { expression: '6 * 7' } },
              { name: 'remember', arguments: { fact: 'the answer is 42' } },
              { name: 'shop__charge', arguments: { n: 1 } },
            ],
          },
          call('shop__set', { n: 2 }),
          call('spawn_agent', { agent: 'child', task: 'Compute.' }),
          call('calculator', { expression: `1${' + 1'.repeat(400)}` }),
          call('ask_human', { question: 'Is that all?' }),
          call('shop__charge', { n: 3 }),
          { text: 'Paid {{result 3}} and {{result 8}}.' },
        ],
      },
      state: 'done',
      output: 'Paid charge 1 and charge 3.',
      once: [1, 3],
    }),
    runVerb(server, 'a run with little durability', {
      spec: {
        mcp,
        durability: 'effects',
        tools: ['calculator'],
        script: [
          call('calculator', { expression: '2 + 2' }),
          call('shop__charge', { n: 4 }),
          call('calculator', { expression: '3 + 3' }),
          { text: 'Paid {{result 2}}.' },
        ],
      },
      state: 'done',
      output: 'Paid charge 4.',
      once: [4],
    }),
    runVerb(server, 'a plan with a step that fails, one that is asked about, and a result that is long', {
      spec: {
        mcp,
        policy: 'plan',
        tools: ['calculator'],
        script: [
          call('make_plan', {
            steps: [
              { id: 'a', task: 'Compute.' },
              { id: 'b', task: 'Pay.', after: ['a'], approval: true },
            ],
          }),
          { text: 'FAILED: no idea' },
          call('calculator', { expression: '1 + 1' }),
          { text: 'x'.repeat(20_000) },
          call('shop__charge', { n: 5 }),
          { text: 'Paid.' },
          { text: 'All is done.' },
        ],
      },
      state: 'done',
      output: 'All is done.',
      once: [5],
    }),
    runVerb(server, 'a graph of agents and of nodes of its own, with a join and a circle', {
      spec: {
        mcp,
        policy: 'graph',
        graph: {
          nodes: [
            { id: 'left', agent: 'child', task: 'Compute.' },
            { id: 'right', agent: 'child', task: 'Compute too.' },
            { id: 'pay', join: 'all', task: 'Pay.', approval: true },
            { id: 'check', task: 'Check it.', tools: [] },
          ],
          edges: [
            { from: 'left', to: 'pay' },
            { from: 'right', to: 'pay' },
            { from: 'pay', to: 'check' },
            { from: 'check', to: 'pay', matches: 'AGAIN' },
          ],
        },
        script: [
          call('shop__charge', { n: 9 }),
          { text: 'Paid.' },
          { text: 'AGAIN' },
          call('shop__charge', { n: 10 }),
          { text: 'Paid again.' },
          { text: 'All is paid.' },
        ],
      },
      state: 'done',
      output: 'All is paid.',
      once: [9, 10],
      children: 2,
    }),
    runVerb(server, 'a run that is stopped by its budget', {
      spec: {
        mcp,
        limits: { maxSteps: 2 },
        script: [call('shop__charge', { n: 6 }), call('shop__charge', { n: 7 }), call('shop__charge', { n: 8 })],
      },
      state: 'stopped',
      output: undefined,
      once: [6, 7],
    }),
    conversation(),
    cancelled(),
    branched(),
  ]
}

interface Expected {
  spec: object
  state: string
  output: string | undefined
  /** What the tool `charge` is called with, each once. */
  once: number[]
  /** How many runs it spawns, where that is not by one call of its tool. */
  children?: number
}

function runVerb(server: ToolServer, name: string, expected: Expected): Verb {
  let agent = ''
  let runId: string | undefined
  return {
    name,
    own,
    async prepare(platform) {
      agent = newName()
      runId = undefined
      server.calls.length = 0
      const script = [call('calculator', { expression: '1 + 2' }), { text: 'Three.' }]
      const child = { name: 'child', model: 'scripted', tools: ['calculator'], script }
      await platform.json('PUT', '/v1/agents/child', child)
      return ''
    },
    async act(platform) {
      const spec = { name: agent, model: 'scripted', ...expected.spec }
      ;({ runId } = await platform.json('POST', '/v1/runs', { agent: spec, input: 'Do it.' }))
      await carriedOn(platform, runId!, server)
      await learned(platform, runId!)
    },
    async settled(platform) {
      const runs = (await platform.json('GET', `/v1/runs?agent=${agent}`)).runs as Answer[]
      // What was not acknowledged may be there or not; what was, is.
      assert.ok(runs.length === 1 || (runs.length === 0 && runId === undefined), `${runs.length} runs`)
      if (runs.length === 0) return assert.deepEqual(server.calls, [])
      const found = await carriedOn(platform, runs[0].runId, server)
      assert.deepEqual([found.state, found.output], [expected.state, expected.output], JSON.stringify(found))
      const charged = server.calls.filter((one) => one.name === 'charge').map((one) => one.arguments.n)
      assert.deepEqual(charged, expected.once)
      await isWhole(platform, found.runId)
      await learned(platform, found.runId)
      const tree = (await platform.json('GET', '/v1/runs?agent=child')).runs as Answer[]
      for (const child of tree.filter(({ parent }) => parent === found.runId)) {
        assert.equal(child.state, 'done')
        await isWhole(platform, child.runId)
      }
      const spawns = expected.children ?? ((expected.spec as Answer).tools?.includes('spawn_agent') ? 1 : 0)
      assert.equal(tree.filter(({ parent }) => parent === found.runId).length, spawns)
    },
  }
}

function conversation(): Verb {
  let agent = ''
  let sent = 0
  const say = async (platform: Platform, runId: string, words: string, mode: string) => {
    await platform.json('POST', `/v1/sessions/${runId}/messages`, { text: words, mode })
    sent++
    await untilIdle(platform, runId)
  }
  return {
    name: 'a conversation',
    own,
    async prepare() {
      agent = newName()
      sent = 0
      return ''
    },
    async act(platform) {
      const script = ['One.', 'Two.', 'Three.', 'Four.', 'Five.'].map((words) => ({ text: words }))
      const spec = { name: agent, model: 'scripted', script }
      const { runId } = await platform.json('POST', '/v1/sessions', { agent: spec })
      await untilIdle(platform, runId)
      await say(platform, runId, 'first', 'steer')
      await say(platform, runId, 'second', 'follow_up')
      await say(platform, runId, 'third', 'interrupt')
    },
    async settled(platform) {
      const [found] = (await platform.json('GET', `/v1/runs?agent=${agent}`)).runs as Answer[]
      if (!found) return assert.equal(sent, 0)
      await untilIdle(platform, found.runId)
      const words = (await trace(platform, found.runId))
        .filter(({ type }) => type === 'message.added')
        .map(({ data }) => data.text)
      // Each that was acknowledged is in it once, and at most one more.
      const all = ['first', 'second', 'third']
      assert.ok(words.length === sent || words.length === sent + 1, `${words} of ${sent}`)
      assert.deepEqual(words, all.slice(0, words.length))
      await isWhole(platform, found.runId)
    },
  }
}

function cancelled(): Verb {
  let runId = ''
  return {
    name: 'a cancel',
    own,
    async prepare(platform) {
      const script = [call('ask_human', { question: 'Well?' }), { text: 'Never.' }]
      const agent = { name: newName(), model: 'scripted', tools: ['ask_human'], script }
      ;({ runId } = await platform.json('POST', '/v1/runs', { agent, input: 'Ask.' }))
      await untilIdle(platform, runId)
      return ''
    },
    async act(platform) {
      await platform.json('POST', `/v1/runs/${runId}/cancel`)
      await until('it is cancelled', async () => (await get(platform, runId)).state === 'cancelled')
    },
    async settled(platform, _path, acknowledged) {
      const { state } = await untilIdle(platform, runId)
      assert.ok(state === 'cancelled' || (!acknowledged && state === 'waiting'), state)
      await isWhole(platform, runId)
    },
  }
}

function branched(): Verb {
  let runId = ''
  let agent = ''
  return {
    name: 'a fork and a rollback',
    own,
    async prepare(platform) {
      agent = newName()
      const script = [call('calculator', { expression: '1 + 1' }), { text: 'It is {{result 1}}.' }]
      const spec = { name: agent, model: 'scripted', tools: ['calculator'], script }
      ;({ runId } = await platform.json('POST', '/v1/runs', { agent: spec, input: 'Compute.' }))
      await untilIdle(platform, runId)
      return ''
    },
    async act(platform) {
      const fork = await platform.json('POST', `/v1/runs/${runId}/fork`, { at: 1 })
      await untilIdle(platform, fork.runId)
      await platform.json('POST', `/v1/runs/${runId}/rollback`, { at: 0 })
      await untilIdle(platform, runId)
    },
    async settled(platform) {
      const runs = (await platform.json('GET', `/v1/runs?agent=${agent}`)).runs as Answer[]
      assert.ok(runs.length === 1 || runs.length === 2, `${runs.length} runs`)
      for (const one of runs) {
        const { state, output } = await untilIdle(platform, one.runId)
        assert.deepEqual([state, output], ['done', 'It is 2.'])
        await isWhole(platform, one.runId)
      }
    },
  }
}

let named = 0
function newName(): string {
  return `crashed-${++named}`
}

function get(platform: Platform, runId: string): Promise<Answer> {
  return platform.json('GET', `/v1/runs/${runId}`)
}

async function trace(platform: Platform, runId: string): Promise<Answer[]> {
  return (await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)).entries
}

/** The run once nobody works on it. */
function untilIdle(platform: Platform, runId: string): Promise<Answer> {
  return untilAlive(platform, `run ${runId} has settled`, async () => {
    const found = await get(platform, runId)
    return ['queued', 'running'].includes(found.state) ? undefined : found
  })
}

/** As `until`; it gives up at once where the platform has died. */
function untilAlive<T>(platform: Platform, what: string, holds: () => Promise<T>): Promise<NonNullable<T>> {
  let isDead = false
  const look = async () => {
    isDead = platform.process.signalCode !== null
    return isDead ? true : await holds()
  }
  return until(what, look, 60_000).then((value) => {
    if (isDead) throw new Error('the platform has died')
    return value as NonNullable<T>
  })
}

/** The run at its end; whatever it asks on the way is answered truly. */
async function carriedOn(platform: Platform, runId: string, server: ToolServer): Promise<Answer> {
  for (;;) {
    const found = await untilIdle(platform, runId)
    if (ended.includes(found.state)) return found
    for (const { id, kind, arguments: args } of found.approvals ?? []) {
      const happened = server.calls.some((one) => one.name === 'charge' && one.arguments.n === args?.n)
      const unknown = happened ? { decision: 'done', text: `charge ${args.n}` } : { decision: 'retry' }
      const answer = kind === 'unknown_outcome' ? unknown : { decision: 'approve', text: 'Yes.' }
      const { status } = await platform.call('POST', `/v1/runs/${runId}/approvals/${id}`, answer)
      // Answered before the crash, or not open any more with another.
      assert.ok(status === 200 || status === 409, `${status}`)
      await untilIdle(platform, runId)
    }
  }
}

/** Its experience is kept, once. */
async function learned(platform: Platform, runId: string): Promise<void> {
  await untilAlive(platform, `run ${runId} is an experience`, async () => {
    const { experiences } = await platform.json('GET', '/v1/experiences?limit=100')
    const own = experiences.filter((one: Answer) => one.runId === runId)
    assert.ok(own.length <= 1)
    return own.length === 1
  })
}

/** Its journal has no gap, each call one result, and it is the same when it is done again. */
async function isWhole(platform: Platform, runId: string): Promise<void> {
  const entries = await trace(platform, runId)
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    entries.map((_, index) => entries[0].seq + index),
  )
  const rolledBack = entries.some(({ type }) => type === 'run.rolled_back')
  const calls = entries.flatMap(({ type, data }) => {
    if (type === 'graph.node_started' && data.agent) return [{ id: `${data.node}:${data.visit}:${data.attempt}` }]
    return type === 'model.answered' ? data.message.content.filter((part: Answer) => part.type === 'tool_call') : []
  })
  const results = entries.filter(({ type }) => type === 'tool.ended').map(({ data }) => data.call)
  const { state } = await get(platform, runId)
  if (state !== 'waiting' && !rolledBack)
    assert.deepEqual(results.toSorted(), calls.map(({ id }: Answer) => id).toSorted())
  const again = await platform.json('POST', `/v1/runs/${runId}/replay`, {})
  assert.equal(again.diverged, false, JSON.stringify(again))
  await isTold(platform, runId)
}

/** What was told of it is what has become of it, each turn once. */
async function isTold(platform: Platform, runId: string): Promise<void> {
  const { state } = await get(platform, runId)
  const last = { waiting: 'suspended', done: 'completed' }[state as string] ?? state
  const told = await untilAlive(platform, `run ${runId} has told that it is ${state}`, async () => {
    const { events } = await platform.json('GET', `/v1/events?subject=${runId}&limit=1000`)
    const types = events.map(({ type }: Answer) => type.replace('run.', '')) as string[]
    return types.at(-1) === last && types.join(' ')
  })
  const turns =
    /^started( (suspended|completed|stopped|failed) continued)*( suspended)?( (completed|stopped|failed|cancelled))?$/
  assert.match(told as string, turns)
}
