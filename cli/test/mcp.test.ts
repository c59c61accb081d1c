import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Answer, startPlatform, until } from '../../platform/test/platform.ts'

const bin = fileURLToPath(new URL('../bin/warren.js', import.meta.url))
const platform = await startPlatform()
const env = { WARREN_HOME: platform.home, WARREN_URL: platform.url, WARREN_API_KEY: '' }

/** `warren mcp` as a client starts it: messages go in by lines, and come out by lines. */
function bridge(more: Record<string, string> = {}) {
  const child = spawn(process.execPath, [bin, 'mcp'], { env: { ...process.env, LC_ALL: 'C.UTF-8', ...env, ...more } })
  after(() => child.kill())
  const answers = new Map<unknown, Answer>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line)
    answers.set(message.id, message)
  })
  const send = (message: object) => void child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  const ask = async (id: string, method: string, params: object = {}): Promise<Answer> => {
    send({ id, method, params })
    return await until(`an answer to ${id}`, () => answers.get(id), 30_000)
  }
  const tool = (id: string, name: string, input: object) => ask(id, 'tools/call', { name, arguments: input })
  const clientInfo = { name: 'test', version: '1' }
  const begin = () => ask('begin', 'initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo })
  return { child, answers, send, ask, tool, begin }
}

test('mcp passes everything on: the tools, their answers, what is given up', async () => {
  const { child, answers, send, ask, tool, begin } = bridge()
  const { result } = await begin()
  assert.deepEqual([result.serverInfo.name, result.protocolVersion], ['warren', '2025-06-18'])
  send({ method: 'notifications/initialized' })
  const { tools } = (await ask('tools', 'tools/list')).result
  assert.ok(tools.some(({ name }: Answer) => name === 'run_command'))
  const { sandbox } = (await tool('create', 'sandbox_create', {})).result.structuredContent
  const said = await tool('echo', 'run_command', { sandbox, command: 'echo hello' })
  assert.equal(said.result.structuredContent.stdout, 'hello\n')

  const count = async (id: string) =>
    (
      await tool(id, 'run_command', {
        sandbox,
        command: 'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -c "sleep 98[7]"',
      })
    ).result.structuredContent.stdout.trim()
  const params = { name: 'run_command', arguments: { sandbox, command: 'sleep 987' } }
  send({ id: 'long', method: 'tools/call', params })
  let n = 0
  await until('it runs', async () => (await count(`count${n++}`)) !== '0', 30_000)
  send({ method: 'notifications/cancelled', params: { requestId: 'long' } })
  await until('it is gone', async () => (await count(`count${n++}`)) === '0', 30_000)
  assert.ok(!answers.has('long'), 'what was given up gets no answer')

  child.stdin.write('no json\n')
  assert.equal((await until('a refusal', () => answers.get(null))).error.code, -32700)
  child.stdin.end()
  await until('it ends with its input', () => child.exitCode === 0)
})

test('mcp says in the protocol what a wrong key and an absent server are', async () => {
  const wrong = await bridge({ WARREN_API_KEY: 'e2b_0000' }).begin()
  assert.deepEqual([wrong.error.data.code, wrong.error.code], ['unauthenticated', -32000])
  assert.match(wrong.error.data.hint, /WARREN_API_KEY/)
  const absent = await bridge({ WARREN_URL: 'http://127.0.0.1:1', WARREN_API_KEY: 'k' }).begin()
  assert.deepEqual(
    [absent.error.data.code, /no Warren server answers/.test(absent.error.message)],
    ['unavailable', true],
  )
})
