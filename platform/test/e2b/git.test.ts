import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Answer, startPlatform, until } from '../platform.ts'

const platform = await startPlatform()
const options = { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url }
const command = 'test -x "$(git --exec-path)/git-daemon"'
const found = await platform.json('POST', `${await platform.sandbox()}/execute`, { command })
const skip = found.exitCode !== 0 && 'there is no git daemon below /usr on this host'

const generations = { 'e2b 2.51': () => import('e2b'), 'e2b 2.45': () => import('e2b-2-45') }
for (const [name, load] of Object.entries(generations)) describe(name, { skip }, () => prove(load))

/** Every method of `sandbox.git`, with a remote that a daemon in the sandbox serves. */
function prove(load: () => Promise<object>): void {
  // biome-ignore lint/suspicious/noExplicitAny: two releases of one client, driven as plain programs drive them
  let sandbox: any
  before(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const { Sandbox } = (await load()) as any
    sandbox = await Sandbox.create(options)
  })
  after(() => sandbox?.kill())
  const here = '/tmp/git/repository'
  const author = { authorName: 'Bot', authorEmail: 'bot@example.com' }
  const output = async (command: string) => (await sandbox.commands.run(command)).stdout.trim()
  const write = (text: string) => sandbox.files.write(`${here}/README.md`, text)

  test('a repository is made, changed, and what was changed is told and taken back', async () => {
    const { git } = sandbox
    await git.init(here, { initialBranch: 'main' })
    await write('one\n')
    await git.add(here)
    await git.commit(here, 'First', author)
    assert.equal(await output(`git -C ${here} log -1 --format='%an %ae %s'`), 'Bot bot@example.com First')
    await write('two\n')
    await sandbox.files.write(`${here}/new`, 'x')
    const { currentBranch, isClean, fileStatus } = await git.status(here)
    assert.deepEqual([currentBranch, isClean], ['main', false])
    const told = fileStatus.map(({ name, status, staged }: Answer) => [name, status, staged])
    assert.deepEqual(told, [
      ['README.md', 'modified', false],
      ['new', 'untracked', false],
    ])
    await git.add(here, { files: ['README.md'] })
    assert.equal((await git.status(here)).stagedCount, 1)
    await git.reset(here, { mode: 'mixed' })
    assert.equal((await git.status(here)).hasStaged, false)
    await git.restore(here, { paths: ['README.md'] })
    assert.equal(await sandbox.files.read(`${here}/README.md`), 'one\n')
    await assert.rejects(git.commit('/tmp', 'Nowhere', author), { stderr: /not a git repository/ })
  })

  test('branches are made, told, changed and deleted', async () => {
    const { git } = sandbox
    await git.createBranch(here, 'feature')
    const { branches, currentBranch } = await git.branches(here)
    assert.deepEqual([branches.sort(), currentBranch], [['feature', 'main'], 'feature'])
    await git.checkoutBranch(here, 'main')
    await git.deleteBranch(here, 'feature', { force: true })
    assert.deepEqual((await git.branches(here)).branches, ['main'])
  })

  test('a remote is pushed to, cloned and pulled from', async () => {
    const { git } = sandbox
    const url = 'git://127.0.0.1:9418/remote.git'
    await sandbox.commands.run('git init --bare --initial-branch=main /tmp/git/remote.git')
    const serve = 'git daemon --reuseaddr --base-path=/tmp/git --export-all --enable=receive-pack --listen=127.0.0.1'
    const daemon = await sandbox.commands.run(serve, { background: true })
    await git.remoteAdd(here, 'origin', url)
    if (git.remoteGet) assert.equal(await git.remoteGet(here, 'origin'), url)
    await until('the daemon listens', () => output(`git ls-remote ${url} && echo there`).catch(() => ''))
    await assert.rejects(git.push(here, { setUpstream: false }), /no upstream branch is configured/i)
    await assert.rejects(git.pull(here), /no upstream branch is configured/i)
    await git.push(here, { remote: 'origin', branch: 'main' })
    assert.equal(await output('git --git-dir=/tmp/git/remote.git log -1 --pretty=%B'), 'First')
    await git.clone(url, { path: '/tmp/git/clone' })
    assert.equal(await sandbox.files.read('/tmp/git/clone/README.md'), 'one\n')
    await write('more\n')
    await git.add(here)
    await git.commit(here, 'Second', author)
    await git.push(here)
    await git.pull('/tmp/git/clone')
    assert.equal(await sandbox.files.read('/tmp/git/clone/README.md'), 'more\n')
    await daemon.kill()
    await assert.rejects(git.clone('git://127.0.0.1:9418/remote.git', { path: '/tmp/git/late' }))
  })

  test('settings are kept for all and for one repository', async () => {
    const { git } = sandbox
    await git.configureUser('Somebody', 'somebody@example.com')
    assert.equal(await output('git config --global --get user.email'), 'somebody@example.com')
    await git.setConfig('pull.rebase', 'true', { scope: 'local', path: here })
    assert.equal(await git.getConfig('pull.rebase', { scope: 'local', path: here }), 'true')
    assert.equal(await git.getConfig('pull.rebase', { scope: 'global' }), undefined)
    const login = { username: 'git', password: 'token', host: 'example.com', protocol: 'https' }
    await git.dangerouslyAuthenticate(login)
    assert.equal(await git.getConfig('credential.helper', { scope: 'global' }), 'store')
  })
}
