import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startPlatform } from '../../platform/test/platform.ts'
import { warren } from './warren.ts'

const platform = await startPlatform()
const folder = mkdtempSync(join(tmpdir(), 'warren-cp-'))
after(() => rmSync(folder, { recursive: true }))
// The key is found in the home, as on an operator's own machine.
const env = { WARREN_HOME: platform.home, WARREN_URL: platform.url, WARREN_API_KEY: '' }
const run = (args: string[], options: Parameters<typeof warren>[1] = {}) => warren(args, { ...options, env })
const sandboxes = async () => JSON.parse((await run(['sandbox', 'list', '--json'])).stdout)

test('run passes on output, streams and the exit code, and leaves nothing behind', async () => {
  const { stdout, stderr, code } = await run(['run', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3'])
  assert.deepEqual({ stdout, stderr, code }, { stdout: 'out\n', stderr: 'err\n', code: 3 })
  assert.deepEqual(await sandboxes(), [])
})

test('run takes one argument as a line for the shell, and standard input when asked', async () => {
  assert.equal((await run(['run', 'echo a | tr a b'])).stdout, 'b\n')
  assert.equal((await run(['run', '-i', '--', 'cat'], { stdin: 'typed' })).stdout, 'typed')
})

test('Ctrl-C ends the program of run and its sandbox', async () => {
  const { code } = await run(['run', 'echo started; sleep 60'], {
    interruptWhen: (stdout) => stdout.includes('started'),
  })
  assert.equal(code, 130)
  assert.deepEqual(await sandboxes(), [])
})

test('run --json tells the result and the runtime', async () => {
  const { stdout } = await run(['run', '--json', '--', 'echo', 'x'])
  const { stdout: output, exitCode, sandbox } = JSON.parse(stdout)
  assert.deepEqual([output, exitCode], ['x\n', 0])
  assert.ok(sandbox.runtime.driver)
})

test('a failure of ours is 125, so that it is no exit code of the program', async () => {
  const { code, stderr } = await run(['sandbox', 'exec', 's00000000000000000000', 'true'])
  assert.equal(code, 125)
  assert.match(stderr, /s00000000000000000000/)
})

test('a command that is not there is 127, one that cannot be executed 126', async () => {
  assert.equal((await run(['run', '--', 'no-such-command', 'x'])).code, 127)
  assert.equal((await run(['run', '--', '/etc/passwd', 'x'])).code, 126)
})

test('exec says when the sandbox ended under it', async () => {
  const id = (await run(['sandbox', 'create', '--timeout', '2s'])).stdout.trim()
  const { code, stderr } = await run(['sandbox', 'exec', id, 'sleep 30'])
  assert.equal(code, 125)
  assert.match(stderr, /has ended|may be over/)
})

test('a missing key is told with the file that was looked for, a wrong one with where it is from', async () => {
  const missing = await warren(['sandbox', 'list'], { env: { ...env, WARREN_HOME: folder } })
  assert.match(missing.stderr, new RegExp(`WARREN_API_KEY.*${folder}/admin.key`))
  assert.doesNotMatch(missing.stderr, /Bearer/)
  const wrong = await warren(['sandbox', 'list'], { env: { ...env, WARREN_API_KEY: 'e2b_wrong' } })
  assert.match(wrong.stderr, /WARREN_API_KEY/)
})

test('when no runtime is strong enough, each is named with its reason', async () => {
  const { code, stderr } = await run(['run', '--isolation', 'microvm', '--driver', 'namespaces', '--', 'true'])
  assert.equal(code, 125)
  assert.match(stderr, /^ {2}namespaces: .+/m)
})

test('create, list, info, exec, timeout, logs and kill work on one sandbox', async () => {
  const id = (await run(['sandbox', 'create', '-m', 'who=test', '--memory', '300'])).stdout.trim()
  assert.match(id, /^s[a-z0-9]{20}$/)
  assert.match((await run(['sandbox', 'ls'])).stdout, new RegExp(`${id}.*who=test`))
  assert.equal((await run(['sandbox', 'ls', '--quiet'])).stdout, `${id}\n`)
  assert.match((await run(['sandbox', 'info', id])).stdout, /300 MiB/)
  assert.equal((await run(['sandbox', 'exec', '-e', 'A=1', '-w', '/tmp', id, 'echo $A $PWD'])).stdout, '1 /tmp\n')
  assert.equal((await run(['sandbox', 'exec', id, '--', 'sh', '-c', 'kill -9 $$'])).code, 137)
  assert.match((await run(['sandbox', 'timeout', id, '15m'])).stdout, new RegExp(id))
  assert.match((await run(['sandbox', 'logs', id])).stdout, /1 \/tmp/)
  assert.equal((await run(['sandbox', 'rm', id])).code, 0)
  assert.equal((await run(['sandbox', 'info', id])).code, 1)
})

test('cp carries folders both ways, with modes, and says what it leaves out', async () => {
  const source = join(folder, 'source')
  mkdirSync(join(source, 'inner'), { recursive: true })
  writeFileSync(join(source, 'inner', '文件'), 'content')
  writeFileSync(join(source, 'tool'), '#!/bin/sh\n')
  chmodSync(join(source, 'tool'), 0o755)
  symlinkSync('/etc/passwd', join(source, 'link'))
  const id = (await run(['sandbox', 'create'])).stdout.trim()

  const up = await run(['sandbox', 'cp', source, `${id}:/home/user/`])
  assert.equal(up.code, 1, 'something was left out')
  assert.match(up.stderr, /link/)
  assert.match(
    (await run(['sandbox', 'exec', id, 'cat source/inner/文件; test -x source/tool && echo runs'])).stdout,
    /contentruns/,
  )

  const down = await run(['sandbox', 'cp', `${id}:/home/user/source`, join(folder, 'back')])
  assert.equal(down.code, 0, down.stderr)
  assert.equal((await run(['sandbox', 'cp', '-', `${id}:typed`], { stdin: 'from a pipe' })).code, 0)
  assert.equal((await run(['sandbox', 'cp', `${id}:typed`, '-'])).stdout, 'from a pipe')
  assert.equal(readFileSync(join(folder, 'back', 'inner', '文件'), 'utf8'), 'content')
  assert.equal(statSync(join(folder, 'back', 'tool')).mode & 0o777, 0o755)
  await run(['sandbox', 'kill', id])
})

test('cp wants exactly one side in a sandbox', async () => {
  const { code, stderr } = await run(['sandbox', 'cp', 'a', 'b'])
  assert.equal(code, 1)
  assert.match(stderr, /ID:PATH/)
})

test('shell without a terminal says what to use instead', async () => {
  assert.match((await run(['sandbox', 'shell'])).stderr, /sandbox exec/)
})

test('verify measures every runtime that isolates, and a server elsewhere is not attacked from here', async () => {
  const { stdout, code } = await run(['verify', '--json'])
  const { ok, postures } = JSON.parse(stdout)
  assert.equal(code, ok ? 0 : 1)
  assert.ok(postures.length >= 1)
  for (const { driver, checks } of postures) assert.ok(checks.length >= 10, driver)
  assert.match((await run(['verify'])).stdout, /CHECK +EXPECTED/)

  const elsewhere = { env: { ...env, WARREN_URL: 'http://192.0.2.1:7070' } }
  const { stderr } = await warren(['verify', '--adversarial'], elsewhere)
  assert.match(stderr, /192\.0\.2\.1[\s\S]*on this machine|not on this machine/)
})

test('an interpreter keeps what it has been told between two commands', async () => {
  const id = (await run(['sandbox', 'create'])).stdout.trim()
  const context = ['sandbox', 'context']
  const interpreter = (await run([...context, 'create', id])).stdout.trim()
  assert.equal((await run([...context, 'execute', id, interpreter, 'x = 41\nprint("told")'])).stdout, 'told\n')
  assert.equal((await run([...context, 'execute', id, interpreter], { stdin: 'x + 1' })).stdout, '42\n')
  assert.match((await run([...context, 'list', id])).stdout, new RegExp(`${interpreter} +python +idle +/home/user`))
  const failed = await run([...context, 'execute', id, interpreter, 'y'])
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /NameError: name 'y' is not defined/)
  assert.equal((await run([...context, 'remove', id, interpreter])).code, 0)
  await run(['sandbox', 'kill', id])
})

test('pause, resume, snapshot create, list, export, import and delete', async (t) => {
  const found = await runtimeThatSaves()
  if (!found) return t.skip('no runtime of this host takes snapshots')
  const id = (await run(['sandbox', 'create', '--driver', found.driver, '--disk', '64'])).stdout.trim()
  assert.match((await run(['sandbox', 'pause', id])).stdout, new RegExp(`^${id} .*paused`))
  assert.match((await run(['sandbox', 'exec', id, 'true'])).stderr, /resume/)
  assert.match((await run(['sandbox', 'resume', id, '--timeout', '5m'])).stdout, new RegExp(`^${id} .*running`))
  const snapshot = (await run(['snapshot', 'create', '--name', 'mine', id])).stdout.trim()
  assert.match((await run(['snapshot', 'list'])).stdout, new RegExp(`${snapshot}.*mine`))
  const woken = ['--driver', found.driver, '--on-timeout', 'pause', '--auto-resume']
  const sleeper = (await run(['sandbox', 'create', ...woken])).stdout.trim()
  await run(['sandbox', 'pause', sleeper])
  assert.equal((await run(['sandbox', 'exec', sleeper, 'echo', 'awake'])).stdout, 'awake\n')
  await run(['sandbox', 'kill', sleeper])
  const file = join(folder, 'mine.warren')
  assert.equal((await run(['snapshot', 'export', snapshot, file])).code, 0)
  const imported = (await run(['snapshot', 'import', file, '--name', 'again'])).stdout.trim()
  const copy = (await run(['sandbox', 'create', '--snapshot', imported])).stdout.trim()
  assert.equal((await run(['sandbox', 'exec', copy, 'echo', 'here'])).stdout, 'here\n')
  assert.equal((await run(['sandbox', 'kill', id, copy])).code, 0)
  assert.equal((await run(['snapshot', 'delete', snapshot, imported])).code, 0)
  assert.equal((await run(['snapshot', 'delete', snapshot])).code, 1)
})

test('fork and clone print the ids of live copies, or say why there are none', async (t) => {
  const found = await runtimeThatSaves()
  if (!found) return t.skip('no runtime of this host takes snapshots')
  const id = (await run(['sandbox', 'create', '--driver', found.driver, '--disk', '64'])).stdout.trim()
  await run(['sandbox', 'exec', id, 'sh', '-c', 'echo kept > /tmp/kept'])
  const forked = await run(['sandbox', 'fork', '--count', '2', '--env', 'WHO=copy', id])
  if (found.capabilities.snapshot.keeps === 'memory') {
    const cloned = await run(['sandbox', 'clone', '--env', 'WHO=copy', id])
    const copies = [...forked.stdout.trim().split('\n'), cloned.stdout.trim()]
    assert.equal(new Set([id, ...copies]).size, 4, `${forked.stderr}${cloned.stderr}`)
    for (const copy of copies)
      assert.equal(
        (await run(['sandbox', 'exec', copy, 'sh', '-c', 'cat /tmp/kept; echo $WHO'])).stdout,
        'kept\ncopy\n',
      )
    await run(['sandbox', 'kill', ...copies])
  } else assert.match(forked.stderr, /files alone/)
  assert.equal((await run(['sandbox', 'kill', id])).code, 0)
})

/** The strongest of this host that takes snapshots; undefined where none does. */
async function runtimeThatSaves() {
  const { runtimes } = await platform.json('GET', '/v1/runtimes')
  return runtimes.find(
    (one: { healthy: boolean; capabilities: { snapshot: { keeps?: string } } }) =>
      one.healthy && one.capabilities.snapshot.keeps,
  )
}
