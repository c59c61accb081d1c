import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { diskContents } from '../src/buckets/contents/disk.ts'
import { s3Contents } from '../src/buckets/contents/s3.ts'
import { contentsContract } from './contracts/contents.ts'
import { startS3 } from './s3-server.ts'

const folder = await mkdtemp(join(tmpdir(), 'warren-objects-'))
after(() => rm(folder, { recursive: true, force: true }))

contentsContract('disk', diskContents(join(folder, 'kept')), () => countFiles(folder, /^o/))

const s3 = await startS3()
after(() => s3.close())
const kept = s3Contents(s3.settings)
contentsContract('s3', kept, () => countFiles(join(s3.directory, 'kept'), /^o.*_object$/))

test('s3: an upload in parts that broke off or that a crash cut off is given up, by what was kept of it', async () => {
  async function* breaking() {
    yield randomBytes(20 * 1024 * 1024)
    throw new RangeError('it broke off')
  }
  let upload = ''
  const began = async (begun: string) => {
    upload = begun
  }
  await assert.rejects(kept.write('obbbbbb', breaking(), began))
  assert.deepEqual(s3.givenUp.slice(-1), [upload])
  await kept.remove('obbbbbb', 'one-that-a-crash-left')
  assert.deepEqual(s3.givenUp.slice(-2), [upload, 'one-that-a-crash-left'])
})

test('s3: parts that were not put together are a failure, though the status says otherwise', async () => {
  async function* large() {
    yield randomBytes(9 * 1024 * 1024)
  }
  s3.fails.putTogether = true
  await assert.rejects(
    kept.write('occcccc', large(), async () => {}),
    { code: 'unavailable' },
  )
  s3.fails.putTogether = false
  assert.equal(await kept.read('occcccc', { offset: 0, length: 1 }), undefined)
  await kept.write('occcccc', large(), async () => {})
  await kept.remove('occcccc')
})

test('s3: a wrong key and a service that is not there are `unavailable`, without the key in the message', async () => {
  for (const settings of [
    { ...s3.settings, secretKey: 'wrong-and-secret' },
    { ...s3.settings, url: 'http://127.0.0.1:9/kept' },
  ]) {
    const failing = s3Contents(settings)
    const failed = (error: Error & { code?: string }) =>
      error.code === 'unavailable' && !JSON.stringify([error.message, String(error.cause)]).includes('wrong-and-secret')
    await assert.rejects(
      failing.write('oaaaaaa', pieces(), async () => {}),
      failed,
    )
    await assert.rejects(failing.read('oaaaaaa', { offset: 0, length: 1 }), failed)
  }
})

async function* pieces(): AsyncGenerator<Buffer> {
  yield Buffer.from('content')
}

async function countFiles(path: string, pattern: RegExp): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && pattern.test(entry.name)).length
}
