import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startPlatform, until } from '../../platform/test/platform.ts'
import { startSharedPostgres, whyNoPostgres } from '../../platform/test/test-database.ts'
import { warren } from './warren.ts'

const skip = (await whyNoPostgres('embedded')) || undefined
const keys = ['admin.key', 'token.seed', 'accounts.seed', 'secrets.key']

test('the operator sees the workers, and gives up one that is gone', { skip }, async () => {
  let stopDatabase = async () => {}
  const { databaseUrl } = await startSharedPostgres({ after: (stop) => (stopDatabase = stop) })
  const shared = { DATABASE_URL: databaseUrl, WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '0' }
  const platform = await startPlatform(shared)
  const env = { WARREN_URL: platform.url, WARREN_HOME: platform.home }
  assert.equal((await warren(['node', 'list', '--json'], { env })).stdout, '[]\n')

  const worker = await startPlatform(
    { ...shared, WARREN_NODE: 'worker' },
    {
      prepare: async (home) =>
        void (await Promise.all(keys.map((name) => copyFile(join(platform.home, name), join(home, name))))),
    },
  )
  const [node] = JSON.parse((await warren(['node', 'list', '--json'], { env })).stdout)
  assert.deepEqual([node.address, node.state, node.sandboxes], [worker.url, 'ready', 0])
  const shown = await warren(['node'], { env })
  assert.match(shown.stdout, new RegExp(`^ID +HOST +STATE +SANDBOXES .*\\n${node.id} +\\S+ +ready +0 `), shown.stderr)

  const works = await warren(['node', 'remove', node.id], { env })
  assert.deepEqual([works.code, works.stdout], [1, ''])
  assert.match(works.stderr, /works: stop it first/)
  await worker.kill('SIGTERM')
  // It said that it stops, so nobody needs to wait.
  const removed = await until('it is given up', async () => {
    const outcome = await warren(['node', 'rm', node.id], { env })
    return outcome.code === 0 ? outcome : undefined
  })
  assert.match(removed.stdout, /lost with it: 0\n$/)
  assert.match((await warren(['node', 'rm', node.id], { env })).stderr, /there is no worker/)
  after(() => stopDatabase())
})
