import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withSearch } from './find-tools.ts'
import type { Tool, ToolResult } from './tool.ts'

const context = { runId: 'u', idempotencyKey: 'k', signal: new AbortController().signal }

function tool(name: string, description: string, properties: object = {}): Tool {
  const inputSchema = { type: 'object', properties }
  return { name, description, inputSchema, effect: 'read', handler: async () => '' }
}

const some = [
  tool('tickets__createIssue', 'Opens a ticket.', { title: {}, assignee: {} }),
  tool('tickets__search', 'Finds tickets by their words.'),
  tool('git__diff', 'Shows what has changed in a repository.'),
  tool('git__commit', '提交更改到仓库。'),
]
const others = Array.from({ length: 40 }, (_, n) =>
  tool(`data__table_${n}`, `Reads table number ${n} of the warehouse.`),
)

async function find(tools: Tool[], words: string): Promise<ToolResult> {
  const search = tools.find(({ name }) => name === 'find_tools')!
  const result = await search.handler(context, { words } as never)
  return typeof result === 'string' ? { text: result } : result
}

test('few tools are told as they are; many, and long ones, are found', () => {
  const named = (tools: Tool[]) => tools.map(({ name }) => name)
  assert.deepEqual(withSearch(some, 'auto'), some)
  assert.deepEqual(withSearch([], 'always'), [])
  assert.deepEqual(withSearch([...some, ...others], 'never').length, 44)
  const deferred = withSearch([...some, ...others], 'auto')
  assert.equal(named(deferred).at(-1), 'find_tools')
  assert.ok(deferred.slice(0, -1).every((one) => one.deferred))
  assert.match(deferred.at(-1)!.description, /44 more tools than you see, of: tickets \(2\), git \(2\), data \(40\)/)
  assert.ok(named(withSearch([tool('a__b', 'x'.repeat(50_000))], 'auto')).includes('find_tools'))
})

test('tools are found by what they are called, what they do, their arguments and their exact name, in Chinese too', async () => {
  const tools = withSearch([...some, ...others], 'auto')
  const first = async (words: string) => (await find(tools, words)).offers![0]
  assert.equal(await first('create an issue'), 'tickets__createIssue')
  assert.equal(await first('assignee'), 'tickets__createIssue')
  assert.equal(await first('what changed in the repository'), 'git__diff')
  assert.equal(await first('提交'), 'git__commit')
  assert.equal(await first('use data__table_17 please'), 'data__table_17')
  assert.equal((await find(tools, 'warehouse')).offers!.length, 8)
  const nothing = await find(tools, 'xyzzy')
  assert.equal(nothing.offers, undefined)
  assert.match(nothing.text, /There are: tickets__createIssue, .*git__diff/)
})
