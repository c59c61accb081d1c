import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { warren } from './warren.ts'

const folder = mkdtempSync(join(tmpdir(), 'warren-cli-'))
after(() => rmSync(folder, { recursive: true }))

const good = {
  api: 'openai-chat',
  request: { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: '{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}',
}
const refused = { api: 'anthropic', request: {}, status: 529, headers: {}, body: '<html>' }

test('models check passes what the adapters read, needs no server, and says it for each API', async () => {
  const { stdout, code } = await check([good, refused])
  assert.equal(code, 0)
  assert.match(stdout, /openai-chat +pass +1 +0\nanthropic +pass +1 +0\n\nAll 2 exchanges pass\./)
})

test('models check fails with the line and the reason, in JSON too', async () => {
  const { stdout, code } = await check([good, { ...good, status: 'x' }])
  assert.equal(code, 1)
  assert.match(stdout, /openai-chat +fail +1 +1\nline 2 \(openai-chat\): status must be/)
  const json = JSON.parse((await check([good, { ...good, status: 'x' }], ['--json'])).stdout)
  assert.equal(json.ok, false)
  assert.deepEqual(json.apis['openai-chat'].passed, 1)
  assert.equal(json.exchanges[0].message.content[0].text, 'Hello')
})

test('models check reads standard input, and tells of a file that is not there or empty', async () => {
  const fromInput = await warren(['models', 'check', '--exchanges', '-'], { stdin: JSON.stringify(good) })
  assert.equal(fromInput.code, 0)
  const absent = await warren(['models', 'check', '--exchanges', join(folder, 'absent')])
  assert.equal(absent.code, 1)
  assert.match(absent.stderr, /^warren: .*absent cannot be read: ENOENT/)
  const empty = await check([], [], { LANG: 'zh_CN.UTF-8' })
  assert.deepEqual([empty.code, empty.stdout], [1, '文件中没有任何往来。\n'])
})

function check(exchanges: object[], options: string[] = [], env: Record<string, string> = {}) {
  const path = join(folder, 'exchanges.jsonl')
  writeFileSync(path, exchanges.map((exchange) => `${JSON.stringify(exchange)}\n`).join(''))
  return warren(['models', 'check', '--exchanges', path, ...options], { env })
}
