import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { allEvents, eventsOf } from './events.ts'
import { type Answer, lacksOf, type Reply, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)
const sandbox = await platform.sandbox({ timeout: 3600, limits: { memoryMb: 512 } })
const execute = (body: object): Promise<Answer> => platform.json('POST', `${sandbox}/execute`, body)

async function refusal(body: object): Promise<[number, string, string]> {
  const response = await platform.call('POST', `${sandbox}/execute`, body)
  const { code, message } = await response.json()
  return [response.status, code, message]
}

async function stream(body: object, init: RequestInit = {}): Promise<Reply> {
  return platform.call('POST', `${sandbox}/execute`, body, { ...init, headers: { accept: 'text/event-stream' } })
}

test('execute() runs a command and answers with what it wrote and how it ended', async () => {
  const done = await execute({ command: 'echo out; echo err >&2; exit 3' })
  assert.deepEqual(
    { ...done, ms: 0 },
    { stdout: 'out\n', stderr: 'err\n', exitCode: 3, reason: 'exited', truncated: false, ms: 0 },
  )
  assert.ok(done.ms >= 0)
})

test('execute() runs the languages that the sandbox has, Python when none is named', async () => {
  assert.equal((await execute({ code: 'print(6 * 7)' })).stdout, '42\n')
  assert.equal((await execute({ code: '[[ ab == a* ]] && echo 2', language: 'bash' })).stdout, '2\n')
  const node = await execute({ command: 'command -v node' })
  if (node.exitCode === 0)
    assert.equal((await execute({ code: 'console.log([1,2].at(-1))', language: 'javascript' })).stdout, '2\n')
})

test('execute() runs TypeScript, or says that the node of the sandbox cannot', async () => {
  const response = await platform.call('POST', `${sandbox}/execute`, {
    code: 'const n: number = 7; console.log(n)',
    language: 'typescript',
  })
  const body = await response.json()
  if (response.ok) assert.equal(body.stdout, '7\n')
  else assert.match(body.message, /cannot run TypeScript|command not found: node/)
})

test('code longer than an argument may be is run all the same', async () => {
  const { stdout } = await execute({ code: `x = "${'y'.repeat(300_000)}"\nprint(len(x))` })
  assert.equal(stdout, '300000\n')
  assert.equal((await execute({ command: `: ${'z'.repeat(300_000)}\necho long` })).stdout, 'long\n')
})

test('a list is run as it is, without a shell', async () => {
  const { stdout } = await execute({ command: ['printf', '%s|', 'a b', '$HOME', '*', ''] })
  assert.equal(stdout, 'a b|$HOME|*||')
})

test('one that reads nothing of its input is heard none the less', async () => {
  const told = { command: 'echo told', stdin: 'x'.repeat(900_000) }
  const answers = await Promise.all(Array.from({ length: 10 }, () => execute(told)))
  for (const answer of answers) assert.deepEqual([answer.stdout, answer.exitCode], ['told\n', 0])
})

test('env, cwd and stdin reach the program', async () => {
  assert.equal((await execute({ command: 'pwd; id -un; echo $HOME' })).stdout, '/home/user\nuser\n/home/user\n')
  assert.equal((await execute({ command: 'pwd', cwd: '/tmp' })).stdout, '/tmp\n')
  assert.equal((await execute({ command: 'echo $GREETING', env: { GREETING: 'hi' } })).stdout, 'hi\n')
  assert.equal((await execute({ command: 'wc -c', stdin: 'x'.repeat(500_000) })).stdout.trim(), '500000')
  assert.equal((await execute({ command: 'cat' })).stdout, '')
})

test('a program runs as root where that is asked for', { skip: lacks.root }, async () => {
  assert.equal((await execute({ command: 'id -u', user: 'root' })).stdout, '0\n')
})

test('where there is no root, asking for it is refused', { skip: !lacks.root && 'there is root' }, async () => {
  assert.deepEqual((await refusal({ command: 'true', user: 'root' })).slice(0, 2), [403, 'forbidden'])
})

test('what cannot be started is refused with the reason', async () => {
  const missing = await refusal({ command: ['no-such-program'] })
  assert.deepEqual(missing.slice(0, 2), [404, 'not_found'])
  assert.match(missing[2], /command not found: no-such-program/)
  assert.match(
    (await refusal({ command: 'true', cwd: '/no/such/folder' }))[2],
    /working directory does not exist: \/no\/such\/folder/,
  )
  assert.match((await refusal({ command: 'true', user: 'nobody-here' }))[2], /no such user: nobody-here/)
  assert.deepEqual((await refusal({ command: ['/etc'] }))[0] >= 400, true)
  assert.match((await refusal({}))[2], /either "code" or "command"/)
  assert.match((await refusal({ code: 'x', command: 'y' }))[2], /either "code" or "command"/)
  assert.match((await refusal({ command: [] }))[2], /command/)
  assert.match((await refusal({ command: 'true\0' }))[2], /NUL/)
  assert.match((await refusal({ command: ['true', 'x'.repeat(200_000)] }))[2], /128 KiB/)
})

test('a program that takes too long is ended, and the answer says so', async () => {
  const { exitCode, reason, ms, stdout } = await execute({ command: 'echo begun; sleep 60 & sleep 60', timeout: 0.3 })
  assert.deepEqual([exitCode, reason, stdout], [null, 'timeout', 'begun\n'])
  assert.ok(ms >= 290 && ms < 3000)
})

test('a program that is killed says by which signal', async () => {
  const { exitCode, signal, reason } = await execute({ command: 'kill -SEGV $$' })
  assert.deepEqual([exitCode, signal, reason], [null, 'SIGSEGV', 'signaled'])
})

test('a background child that keeps the output open does not hold up the answer', async () => {
  const { stdout, ms } = await execute({ command: 'echo done; sleep 30 &' })
  assert.equal(stdout, 'done\n')
  assert.ok(ms < 5000)
})

test('output that is not UTF-8 comes as replacement characters, streamed as base64', async () => {
  assert.equal((await execute({ command: String.raw`printf 'a\377b'` })).stdout, 'a�b')
  const bytes: Buffer[] = []
  for await (const { event, data } of eventsOf(await stream({ command: String.raw`printf 'a\377b'` }))) {
    if (event === 'stdout') bytes.push(Buffer.from(data.data as string, (data.encoding as BufferEncoding) ?? 'utf8'))
  }
  assert.deepEqual(Buffer.concat(bytes), Buffer.from([0x61, 0xff, 0x62]))
})

test('streamed, output comes while the program runs, in order and with its offsets', async () => {
  const response = await stream({ command: 'echo one; sleep 0.4; echo two; echo err >&2; exit 5' })
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  const seen: Answer[] = []
  let oneAt = 0
  for await (const { event, data } of eventsOf(response)) {
    if (data.data === 'one\n') oneAt = performance.now()
    seen.push({ event, ...data })
  }
  assert.ok(performance.now() - oneAt > 300)
  assert.equal(seen[0].event, 'started')
  assert.ok(seen[0].processId)
  const out = seen.filter(({ event }) => event === 'stdout')
  assert.deepEqual(
    out.map(({ data, offset }) => [data, offset]),
    [
      ['one\n', 0],
      ['two\n', 4],
    ],
  )
  assert.deepEqual([seen.at(-1).event, seen.at(-1).exitCode], ['exit', 5])
})

test('100 MB of output: all of it streamed, its first 8 MiB waited for, and our memory stays flat', async () => {
  const command = 'head -c 100M /dev/zero | tr "\\\\0" x'
  const before = residentMb()
  let streamed = 0
  for await (const { event, data } of eventsOf(await stream({ command }))) {
    if (event === 'stdout') streamed += (data.data as string).length
  }
  assert.equal(streamed, 100 * 2 ** 20)
  const waited = await execute({ command })
  assert.deepEqual([waited.stdout.length, waited.truncated, waited.exitCode], [8 * 2 ** 20, true, 0])
  assert.ok(residentMb() - before < 150, `grew by ${residentMb() - before} MB`)
})

test('a client that reads slowly slows the program down instead of filling our memory', async () => {
  const before = residentMb()
  const controller = new AbortController()
  const response = await stream({ command: 'yes' }, { signal: controller.signal })
  const reader = response.body!.getReader()
  await reader.read()
  await sleep(1500)
  assert.ok(residentMb() - before < 60, `grew by ${residentMb() - before} MB`)
  controller.abort()
})

test('when the client goes away the program is killed, streamed or waited for', async () => {
  const running = async (mark: string) => (await execute({ command: ['pgrep', '-f', mark] })).exitCode === 0
  const isThere = async (mark: string) => until(`${mark} runs`, () => running(mark))
  const isGone = async (mark: string) => until(`${mark} is gone`, async () => !(await running(mark)))

  const streamedBy = new AbortController()
  await stream({ command: ['sleep', '1111'] }, { signal: streamedBy.signal })
  await isThere('sleep 1111')
  streamedBy.abort()
  await isGone('sleep 1111')

  const waitedBy = new AbortController()
  const waited = platform.call(
    'POST',
    `${sandbox}/execute`,
    { command: ['sleep', '2222'] },
    { signal: waitedBy.signal },
  )
  await isThere('sleep 2222')
  waitedBy.abort()
  await assert.rejects(waited)
  await isGone('sleep 2222')
})

test('a program that takes all the memory is ended, the reason is told, the sandbox goes on', {
  skip: lacks.memoryLimit,
}, async () => {
  const { reason, exitCode } = await execute({ code: 'x = []\nwhile True: x.append(bytearray(10_000_000))' })
  if (exitCode === null) assert.equal(reason, 'out_of_memory')
  assert.notEqual(exitCode, 0)
  assert.equal((await execute({ command: 'echo alive' })).stdout, 'alive\n')
})

test('a sandbox that is deleted while a program runs ends the answer with an error', async () => {
  const path = await platform.sandbox()
  const waited = platform.call('POST', `${path}/execute`, { command: 'sleep 60' })
  const streamed = await platform.call('POST', `${path}/execute`, { command: 'sleep 60', stream: true })
  await sleep(200)
  await platform.call('DELETE', path)
  assert.equal((await waited).status, 503)
  const events = await allEvents(streamed)
  assert.deepEqual([events.at(-1)!.event, events.at(-1)!.data.code], ['error', 'unavailable'])
})

function residentMb(): number {
  const status = readFileSync(`/proc/${platform.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) / 1024
}

test('output of control characters is cut before its JSON grows beyond the rule', async () => {
  const response = await platform.call('POST', `${sandbox}/execute`, { command: 'head -c 8388608 /dev/zero' })
  const text = await response.text()
  assert.ok(text.length < 9 * 1024 * 1024, `${text.length}`)
  assert.equal(JSON.parse(text).truncated, true)
})

test('where the kernel is its own, memory over the limit may end the sandbox as a whole, which says why', {
  skip: lacks.memoryLimit || (!lacks.hostKernel && 'the host ends the program alone'),
}, async () => {
  const small = await platform.sandbox({ limits: { memoryMb: 64 } })
  const { reason } = await platform.json('POST', `${small}/execute`, { command: 'tail /dev/zero' })
  assert.equal(reason, 'out_of_memory')
  const sandbox = await until('it has failed', async () => {
    const found = await platform.json('GET', small)
    return found.state === 'failed' && found
  })
  assert.equal(sandbox.endReason, 'out_of_memory')
  await platform.call('DELETE', small)
})

test('a line for the shell whose program takes all the memory tells the reason too', {
  skip: lacks.memoryLimit || lacks.hostKernel,
}, async () => {
  const small = await platform.sandbox({ limits: { memoryMb: 64 } })
  const { reason, exitCode } = await platform.json('POST', `${small}/execute`, { command: 'tail /dev/zero; exit $?' })
  assert.deepEqual([exitCode, reason], [137, 'out_of_memory'])
  const other = await platform.json('POST', `${small}/execute`, { command: 'exit 137' })
  assert.deepEqual([other.exitCode, other.reason], [137, 'exited'])
  await platform.call('DELETE', small)
})
