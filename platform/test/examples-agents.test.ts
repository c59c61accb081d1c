import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AIMessageChunk } from '@langchain/core/messages'
import { FakeStreamingChatModel } from '@langchain/core/utils/testing'
import { Warren } from '@warren/sdk'
import { generateText, isStepCount } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { type Answer, startPlatform } from './platform.ts'

/*
 * examples/agents/, with the libraries that they are for, models of those that answer from a script, and a real sandbox.
 */

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
const example = (name: string): Promise<Answer> =>
  import(new URL(`../../examples/agents/${name}.mjs`, import.meta.url).href)
const { sandboxTools } = await example('sandbox-tools')

const calls = [
  { name: 'write_file', args: { path: 'notes/a.txt', content: 'forty-two' } },
  { name: 'read_file', args: { path: 'notes/a.txt' } },
  { name: 'shell', args: { command: 'wc -c < notes/a.txt; echo oops >&2; exit 3' } },
  { name: 'run_code', args: { language: 'bash', code: 'echo $((6 * 7))' } },
]
const results = [
  'notes/a.txt is written.',
  'forty-two',
  JSON.stringify({ stdout: '9\n', stderr: 'oops\n', exitCode: 3 }),
  JSON.stringify({ stdout: '42\n', stderr: '', exitCode: 0 }),
]

/** Sandboxes that run; with the tools of the example it is one until they are closed. */
async function running(): Promise<number> {
  const { sandboxes } = await platform.json('GET', '/v1/sandboxes')
  return sandboxes.filter(({ state }: Answer) => state === 'running').length
}

async function withTools(use: (tools: Answer[]) => Promise<void>): Promise<void> {
  const warren = new Warren({ baseUrl: platform.url, apiKey: platform.key })
  const { tools, close } = await sandboxTools(warren)
  try {
    assert.equal(await running(), 1)
    await use(tools)
  } finally {
    await close()
  }
  assert.equal(await running(), 0)
}

test('an agent of the AI SDK has a sandbox as its tools', () =>
  withTools(async (tools) => {
    const { aiTools } = await example('ai-sdk')
    const nothing = { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0, text: 1, reasoning: 0 }
    const answer = (content: Answer, unified: 'tool-calls' | 'stop'): Answer => ({
      content: [content],
      finishReason: { unified, raw: unified },
      usage: { inputTokens: nothing, outputTokens: nothing },
      warnings: [],
    })
    const asks = calls.map(({ name, args }, at) =>
      answer({ type: 'tool-call', toolCallId: `c${at}`, toolName: name, input: JSON.stringify(args) }, 'tool-calls'),
    )
    const model = new MockLanguageModelV4({ doGenerate: [...asks, answer({ type: 'text', text: 'Done.' }, 'stop')] })
    const { text, steps } = await generateText({
      model,
      tools: aiTools(tools),
      stopWhen: isStepCount(10),
      prompt: 'Do it.',
    })
    assert.equal(text, 'Done.')
    const given = steps.flatMap(({ toolResults }) => toolResults.map(({ output }: Answer) => output))
    assert.deepEqual(given, results)
    // The model was told of each, with what it takes.
    const told = (model.doGenerateCalls[0]!.tools ?? []) as Answer[]
    assert.deepEqual(
      told.map(({ name, inputSchema }) => [name, inputSchema.required]),
      tools.map(({ name, schema }: Answer) => [name, schema.required]),
    )
  }))

test('an agent of LangChain.js has a sandbox as its tools', () =>
  withTools(async (tools) => {
    const { langchainTools } = await example('langchain')
    const bound = langchainTools(tools) as Answer[]
    const given: string[] = []
    for (const [at, { name, args }] of calls.entries()) {
      const chunk = new AIMessageChunk({ content: '', tool_calls: [{ id: `c${at}`, name, args, type: 'tool_call' }] })
      const model = new FakeStreamingChatModel({ chunks: [chunk] }).bindTools(bound)
      const { tool_calls } = (await model.invoke('Do it.')) as Answer
      const called = bound.find((one) => one.name === tool_calls[0].name)
      const message = await called.invoke(tool_calls[0])
      assert.equal(message.tool_call_id, `c${at}`)
      given.push(message.content)
    }
    assert.deepEqual(given, results)
    // What does not fit the schema never reaches the sandbox.
    const shell = bound.find(({ name }) => name === 'shell')
    await assert.rejects(shell.invoke({ id: 'c', name: 'shell', args: { other: 1 }, type: 'tool_call' }))
  }))
