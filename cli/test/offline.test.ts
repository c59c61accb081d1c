import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { warren } from './warren.ts'

const home = mkdtempSync(join(tmpdir(), 'warren-cli-'))
after(() => rmSync(home, { recursive: true }))
const nowhere = { WARREN_HOME: home, WARREN_PORT: '1', WARREN_URL: '', WARREN_API_KEY: '' }

test('without a server every command says how to start one', async () => {
  const { stderr, code } = await warren(['sandbox', 'list'], { env: nowhere })
  assert.equal(code, 1)
  assert.match(stderr, /http:\/\/127\.0\.0\.1:1/)
  assert.match(stderr, /npm start/)
})

test('a value of the environment that is no address is told with its variable', async () => {
  for (const url of ['garbage', 'localhost:7070']) {
    const { stderr } = await warren(['sandbox', 'list'], { env: { ...nowhere, WARREN_URL: url } })
    assert.match(stderr, new RegExp(`WARREN_URL.*http://.*"${url}"`))
  }
  const { stderr } = await warren(['sandbox', 'list'], { env: { ...nowhere, WARREN_PORT: 'many' } })
  assert.match(stderr, /WARREN_PORT.*"many"/)
})

test('npm start is no advice for a server elsewhere', async () => {
  const { stderr } = await warren(['sandbox', 'list'], { env: { ...nowhere, WARREN_URL: 'http://nowhere.invalid' } })
  assert.doesNotMatch(stderr, /npm start/)
  assert.match(stderr, /WARREN_URL/)
})

test('with --json the error is one document', async () => {
  const { stderr, stdout } = await warren(['sandbox', 'list', '--json'], { env: nowhere })
  assert.equal(stdout, '')
  assert.equal(JSON.parse(stderr).error.code, 'unavailable')
})

test('with --json a mistake in the command line is one document too', async () => {
  for (const [args, message, hint] of [
    [['sandbox', 'list', '--json', '--wrong'], /^unknown option '--wrong'$/, /--help/],
    [['sandbox', 'list', '--json', '--jsn'], /^unknown option '--jsn'$/, /^Did you mean --json\?$/],
    [['sandbox', 'info', '--json'], /missing required argument 'id'/, /--help/],
    [['sandbox', 'crate', '--json'], /unknown command 'crate'/, /create/],
    [['ls', '--json'], /unknown command 'ls'/, /^Did you mean warren sandbox ls\?$/],
    [['sandbox', 'create', '--cpu', 'x', '--json'], /--cpu/, /--help/],
  ] as const) {
    const { stdout, stderr, code } = await warren([...args], { env: nowhere })
    assert.deepEqual([code, stdout], [1, ''], args.join(' '))
    const { error } = JSON.parse(stderr)
    assert.equal(error.code, 'invalid_request')
    assert.match(error.message, message)
    assert.match(error.hint, hint)
  }
  const { stderr } = await warren(['sandbox', 'info', '--json'], { env: { ...nowhere, LANG: 'zh_CN.UTF-8' } })
  assert.match(JSON.parse(stderr).error.hint, /^加上 --help 查看用法$/)
})

test('messages are Chinese where the environment speaks it', async () => {
  const env = { ...nowhere, LANG: 'zh_CN.UTF-8' }
  const { stdout } = await warren(['sandbox', '--help'], { env })
  assert.match(stdout, /用法：[\s\S]*选项：[\s\S]*命令：/)
  assert.doesNotMatch(stdout, /Usage|Options|Commands|display/)
  assert.match((await warren(['sandbox', 'info'], { env })).stderr, /^warren: 缺少参数 id\n/)
})

test('a mistyped command is told, with its usage', async () => {
  const { stderr, code } = await warren(['sandbox', 'crate'])
  assert.equal(code, 1)
  assert.match(stderr, /^warren: .*crate[\s\S]*create/)
})

test('a command that belongs elsewhere is told with its full path', async () => {
  assert.match((await warren(['ls'])).stderr, /warren sandbox ls\?/)
  assert.match((await warren(['sandbox', 'run'])).stderr, /warren run\?/)
})

test('cp says that a name is no id, exec that an option comes too late', async () => {
  assert.match((await warren(['sandbox', 'cp', 'nope:/x', '.'], { env: nowhere })).stderr, /"nope" is no id/)
  const { stderr } = await warren(['sandbox', 'exec', 's00000000000000000000', '--cwd', '/x', 'ls'], { env: nowhere })
  assert.match(stderr, /--cwd[\s\S]*before the id/)
})

test('completion scripts are accepted by their shells', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout, code } = await warren(['completion', shell])
    assert.equal(code, 0)
    assert.match(stdout, /sandbox/)
    if (shell === 'bash') execFileSync('bash', ['-n'], { input: stdout })
  }
})

test('bash completes commands by what has been typed', async () => {
  const { stdout } = await warren(['completion', 'bash'])
  const complete = (...words: string[]) =>
    execFileSync(
      'bash',
      [
        '-c',
        `${stdout}\nCOMP_WORDS=(warren ${words.join(' ')} ''); COMP_CWORD=${words.length + 1}; _warren; echo "\${COMPREPLY[@]}"`,
      ],
      {
        encoding: 'utf8',
      },
    )
      .trim()
      .split(' ')
  assert.ok(complete().includes('doctor'))
  assert.ok(complete('sandbox').includes('create'))
  assert.ok(complete('completion').includes('fish'))
  assert.ok(complete('run', '--isolation').includes('container'))
  assert.ok(complete('sandbox', 'create', '--driver').includes('namespaces'))
  // Left to the shell, which offers files.
  for (const words of [['sandbox', 'cp'], ['run'], ['sandbox', 'exec', 'sabc']])
    assert.deepEqual(complete(...words), [''], words.join(' '))
})

test('doctor gives a verdict and a reason for every runtime', async () => {
  const { stdout, code } = await warren(['doctor', '--json'])
  const { ok, runtimes, host } = JSON.parse(stdout)
  assert.equal(code, ok ? 0 : 1)
  assert.ok(runtimes.length >= 3)
  for (const { driver, healthy, reason, bootMs } of runtimes) {
    assert.ok(reason.length > 0, driver)
    assert.equal(typeof bootMs === 'number', healthy, driver)
  }
  assert.equal(
    ok,
    runtimes.some(
      (runtime: { healthy: boolean; isolation: string }) => runtime.healthy && runtime.isolation !== 'none',
    ),
  )
  assert.ok(host.some(({ name }: { name: string }) => name === 'cgroups'))
})
