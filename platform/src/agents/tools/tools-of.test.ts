import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withSearch } from './find-tools.ts'
import type { Tool } from './tool.ts'
import { toolsOf } from './tools-of.ts'

test('tools are searched only where one may be called that has to be found', () => {
  const tool = (name: string): Tool => ({
    name,
    description: '',
    inputSchema: {},
    effect: 'read',
    handler: async () => '',
  })
  const list = [tool('calculator'), ...withSearch([tool('git__diff'), tool('git__commit')], 'always')]
  const tools = new Map(list.map((one) => [one.name, one]))
  const named = (names: string[]) => [...toolsOf({ tools }, { tools: names }).keys()]
  assert.deepEqual(named(['calculator']), ['calculator'])
  assert.deepEqual(named(['git__*']), ['git__diff', 'git__commit', 'find_tools'])
})
