import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startPlatform } from '../../platform/test/platform.ts'
import { warren } from './warren.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
const env = { WARREN_HOME: platform.home, WARREN_URL: platform.url, WARREN_API_KEY: '' }
const run = (args: string[], stdin?: string) => warren(args, { env, ...(stdin ? { stdin } : {}) })
const folder = await mkdtemp(join(tmpdir(), 'warren-object-'))
after(() => rm(folder, { recursive: true, force: true }))

test('bucket, object, fn trigger: made, put from a file and from standard input, got, listed, signed and deleted', async () => {
  assert.match((await run(['bucket', 'list'])).stderr, /There is no bucket/)
  assert.equal((await run(['bucket', 'create', 'papers'])).stdout, 'papers\n')
  const file = join(folder, 'in')
  await writeFile(file, 'of a file')
  assert.match((await run(['object', 'put', 'papers', 'a/1', file, '--type', 'text/plain'])).stdout, /^[0-9a-f]{64}\n$/)
  assert.equal((await run(['object', 'put', 'papers', 'a/2'], 'of standard input')).code, 0)
  assert.equal((await run(['object', 'put', 'papers', 'a/2', '--if-absent'], 'again')).code, 1)
  assert.equal((await run(['object', 'get', 'papers', 'a/2'])).stdout, 'of standard input')
  assert.equal((await run(['object', 'get', 'papers', 'a/1', join(folder, 'out')])).code, 0)
  assert.equal(await readFile(join(folder, 'out'), 'utf8'), 'of a file')
  assert.match((await run(['object', 'list', 'papers', 'a/'])).stdout, /a\/1\s+9 B\s+text\/plain/)
  assert.match((await run(['bucket', 'list'])).stdout, /papers\s+2\s+26 B/)
  const made = join(folder, 'watch.js')
  await writeFile(made, 'exports.handler = async (event) => event')
  assert.equal((await run(['fn', 'deploy', made])).code, 0)
  const trigger = (
    await run(['fn', 'trigger', 'watch', 'papers', '--prefix', 'b/', '--on', 'object.removed'])
  ).stdout.trim()
  assert.match(
    (await run(['fn', 'trigger', 'watch'])).stdout,
    new RegExp(`${trigger}\\s+papers\\s+b/\\s+object\\.removed`),
  )
  assert.equal((await run(['fn', 'trigger', 'watch', '--delete', trigger])).code, 0)
  const signed = (await run(['object', 'sign', 'papers', 'a/1', '--expires', '1m'])).stdout.trim()
  assert.equal(await (await fetch(signed)).text(), 'of a file')
  assert.match((await run(['bucket', 'delete', 'papers'])).stderr, /has 2 objects/)
  assert.equal((await run(['object', 'rm', 'papers', 'a/1', 'a/2'])).code, 0)
  assert.equal((await run(['bucket', 'rm', 'papers'])).code, 0)
})
