import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1', WARREN_POOL_SIZE: '0' })

/** The code on the disk: what is before the cache, the cache, and what is behind it. */
async function readCode(): Promise<{ path: string; parts: [Buffer, Buffer, Buffer] }> {
  const folder = join(platform.home, 'functions', 'code')
  const path = join(folder, (await readdir(folder))[0]!)
  const bytes = await readFile(path)
  const start = 4 + bytes.readUInt32BE(0)
  const { sourceBytes, cacheBytes } = JSON.parse(bytes.toString('utf8', 4, start))
  const [from, to] = [start + sourceBytes, start + sourceBytes + cacheBytes]
  return { path, parts: [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)] }
}

test('what another V8 has made of code is made anew by the first instance that starts with it, and then kept', async () => {
  const source = Array.from({ length: 4000 }, (_, at) => `exports.part${at} = () => 'the part number ${at}'\n`).join('')
  const files = {
    'index.js': Buffer.from(`${source}exports.handler = async () => exports.part7()\n`).toString('base64'),
    'note.txt': Buffer.from('beside it').toString('base64'),
  }
  await platform.json('PUT', '/v1/functions/large', { runtime: 'node24', files })
  const invoke = () => platform.json('POST', '/v1/functions/large/invoke', {})
  const made = await readCode()
  assert.ok(made.parts[1].length > 1000)

  await platform.kill('SIGTERM')
  const foreign = Buffer.from(made.parts[1])
  // Behind the magic number there is the version.
  foreign.writeUInt32LE((foreign.readUInt32LE(4) ^ 0xffff) >>> 0, 4)
  await writeFile(made.path, Buffer.concat([made.parts[0], foreign, made.parts[2]]))
  await platform.start()
  assert.equal(await invoke(), 'the part number 7')
  const renewed = await until('it is made anew', async () => {
    const now = await readCode()
    return now.parts[1].subarray(0, 8).equals(foreign.subarray(0, 8)) ? undefined : now
  })
  assert.deepEqual(renewed.parts[1].subarray(0, 8), made.parts[1].subarray(0, 8))
  assert.deepEqual(renewed.parts[2], made.parts[2])

  await platform.kill('SIGTERM')
  await platform.start()
  assert.equal(await invoke(), 'the part number 7')
  assert.deepEqual((await readCode()).parts[1], renewed.parts[1])
})
