import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWithClient } from './client.ts'

const { warren } = await startWithClient()

test('write() makes a file that read(), readText(), stat() and list() show', async () => {
  await using sandbox = await warren.sandboxes.create()
  await sandbox.files.write('/home/user/a/b/note.txt', '你好', { mode: '0600' })
  assert.equal(await sandbox.files.readText('/home/user/a/b/note.txt'), '你好')
  assert.equal((await sandbox.files.read('/home/user/a/b/note.txt', { offset: 3, length: 3 })).length, 3)
  const { size, mode, type } = await sandbox.files.stat('/home/user/a/b/note.txt')
  assert.deepEqual({ size, mode, type }, { size: 6, mode: '0600', type: 'file' })
  assert.deepEqual(
    (await sandbox.files.list('/home/user/a/b')).map(({ name }) => name),
    ['note.txt'],
  )
})

test('a file larger than any buffer goes up and down as a stream', async () => {
  await using sandbox = await warren.sandboxes.create()
  const chunk = new Uint8Array(1024 * 1024).map((_, index) => index % 251)
  await sandbox.files.write(
    'large.bin',
    (async function* () {
      for (let index = 0; index < 20; index++) yield chunk
    })(),
  )
  let size = 0
  for await (const piece of await sandbox.files.readStream('large.bin')) {
    assert.equal(piece[0], chunk[size % chunk.length])
    size += piece.length
  }
  assert.equal(size, 20 * chunk.length)
})

test('mkdir(), move(), chmod(), exists() and remove() do what they say', async () => {
  await using sandbox = await warren.sandboxes.create()
  const { files } = sandbox
  await files.mkdir('one/two')
  await files.write('one/two/file', new Uint8Array([1, 2, 3]))
  await files.move('one/two/file', 'one/moved')
  assert.equal((await files.chmod('one/moved', '0755')).mode, '0755')
  assert.deepEqual([await files.exists('one/two/file'), await files.exists('one/moved')], [false, true])
  await assert.rejects(files.remove('one'), { name: 'WarrenError' })
  await files.remove('one', { recursive: true })
  assert.equal(await files.exists('one'), false)
})

test('chown() gives a file to another user', async (t) => {
  await using sandbox = await warren.sandboxes.create()
  const { runtime } = sandbox.info
  if (runtime?.isolation === 'namespaces') return t.skip('there is no root in such a sandbox')
  await sandbox.files.write('mine', 'x')
  assert.equal((await sandbox.files.chown('/home/user/mine', 'user')).owner, 'user')
  await assert.rejects(sandbox.files.chown('/home/user/mine', 'nobody-there'), { name: 'WarrenError' })
})

test('watch() misses nothing that happens after it is there', async () => {
  await using sandbox = await warren.sandboxes.create()
  await sandbox.files.mkdir('watched')
  const watch = await sandbox.files.watch('watched', { recursive: true })
  await sandbox.files.write('watched/new.txt', 'x')
  for await (const change of watch) {
    if (change.path === 'new.txt') break
  }
  watch.close()
})

test('what the user may not touch is forbidden, what is not there is not found', async () => {
  await using sandbox = await warren.sandboxes.create()
  await assert.rejects(sandbox.files.write('/etc/new', 'x'), { code: 'forbidden' })
  await assert.rejects(sandbox.files.readText('/nowhere'), { code: 'not_found' })
})
